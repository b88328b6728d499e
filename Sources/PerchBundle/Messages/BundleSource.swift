// SPDX-License-Identifier: Apache-2.0

/// The text of a file that declares DAGs.
public struct BundleSource: Sendable, Hashable {
    /// As people know it: relative to the package or the folder that it is in.
    public var path: String
    public var text: String
    /// The DAGs that it declares.
    public var dagIDs: [String]

    /// A text from its parts.
    public init(path: String, text: String, dagIDs: [String]) {
        self.path = path
        self.text = text
        self.dagIDs = dagIDs
    }

    /// So many bytes of a text are kept; what is cut says so.
    package static let longest = 512 << 10
    /// So many DAGs stand in one message; where a file declares more, it is sent again with the others.
    static let mostDAGs = 5_000

    /// The same within its bounds.
    package var bounded: BundleSource {
        BundleSource(path: path.cut(to: 1_000), text: text.cut(to: Self.longest), dagIDs: dagIDs)
    }
}

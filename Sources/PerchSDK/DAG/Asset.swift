// SPDX-License-Identifier: Apache-2.0

/// Something that tasks make and others use: a table, a file, a report. Its name says which, best as a URI,
/// `s3://warehouse/orders`.
///
/// A task that succeeds updates the assets of its `outlets:`, in the transaction of its success; `.asset(…)` waits for that.
public struct Asset: Hashable, Sendable, Codable, ExpressibleByStringLiteral {
    /// The name of the events by which updates are told; the asset's name is the key.
    public static let eventName = "asset"

    /// 1 to 500 bytes without control characters; compared byte for byte.
    public var name: String

    /// An asset by its name.
    public init(_ name: String) { self.name = name }

    /// An asset by its name.
    public init(stringLiteral name: String) { self.init(name) }

    /// What is wrong with the name; nil where it is right.
    public var problem: String? {
        let isRight =
            (1...500).contains(name.utf8.count)
            && name.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
        return isRight
            ? nil : "the name of an asset is 1 to 500 bytes without control characters, not '\(name.shown())'"
    }
}

// SPDX-License-Identifier: Apache-2.0

/// The protocol between the engine and a bundle process, version 6. Any language can speak it. The page "The bundle
/// protocol" of the documentation has the frames, every message with its members, versions and limits; a test holds it against
/// what is coded here.
public enum BundleProtocol {
    /// The version that this build speaks.
    public static let version = 6
    /// The oldest version that this build still speaks with a bundle.
    public static let oldestVersion = 1
    /// The first version whose bundles host triggers.
    public static let hostingVersion = 2
    /// The first version whose engines look up connections, variables and secrets.
    public static let secretsVersion = 3
    /// The first version whose bundles are told of the engine's clock.
    public static let clockVersion = 4
    /// The first version whose bundles say which attempts hold their threads.
    public static let heldVersion = 5
    /// The first version whose bundles say what templates have become, and give the text of the files that declare DAGs.
    public static let textsVersion = 6
    /// The longest frame, in bytes, its length not counted.
    public static let longestFrame = 16 << 20
    /// How much of definitions goes into one frame, in bytes of their text.
    public static let longestPiece = 4 << 20
    /// How often a bundle says `alive` while dispatches run, in seconds.
    public static let alivePeriod = 10
}

/// What the other side of the socket did against the protocol.
public struct BundleProtocolError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was wrong, in a sentence.
    public var description: String

    init(_ description: String) { self.description = description }

    static func tooLong(_ length: Int) -> BundleProtocolError {
        BundleProtocolError("a frame of \(length) bytes; at most \(BundleProtocol.longestFrame) are allowed")
    }
}

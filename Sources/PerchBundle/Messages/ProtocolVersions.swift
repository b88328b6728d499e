// SPDX-License-Identifier: Apache-2.0

/// The versions of the protocol that one side speaks, from the oldest to the newest.
public struct ProtocolVersions: Sendable, Hashable, CustomStringConvertible {
    public var oldest: Int
    public var newest: Int

    /// Versions from one to another; a side that says no oldest one speaks its newest alone.
    public init(newest: Int, oldest: Int? = nil) {
        self.oldest = min(oldest ?? newest, newest)
        self.newest = newest
    }

    /// The newest version that both sides speak; nil where there is none.
    public func common(with other: ProtocolVersions) -> Int? {
        let version = min(newest, other.newest)
        return version >= max(oldest, other.oldest) ? version : nil
    }

    /// `version 3`, `versions 1 to 3`.
    public var description: String {
        oldest == newest ? "version \(newest)" : "versions \(oldest) to \(newest)"
    }
}

extension BundleProtocol {
    /// The versions that this build speaks, as an engine and as a bundle.
    public static let spoken = ProtocolVersions(newest: version, oldest: oldestVersion)

    /// Why an engine and a bundle cannot speak with each other, and what would help.
    package static func mismatch(bundle: ProtocolVersions, engine: ProtocolVersions) -> String {
        let advice =
            bundle.newest < engine.oldest
            ? "build the bundle anew for one of \(engine)"
            : "run an engine that speaks one of \(bundle), or build the bundle for one of \(engine)"
        return "the bundle speaks \(bundle) of the protocol, this engine \(engine): \(advice)"
    }
}

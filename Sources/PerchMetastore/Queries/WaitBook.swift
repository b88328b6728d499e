// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A wait with what is known of the probe for its target.
public struct WaitView: Sendable, Hashable {
    public var wait: WaitRow
    /// As it was stored last; nil where nothing was.
    public var probe: ProbeRow?
    /// How many waits share the probe, this one included.
    public var sharing: Int
    /// The triggerer that watches it, `host:pid`; nil where none does.
    public var owner: String?

    /// When it is looked at next, or comes due.
    public var nextProbeAt: Timestamp? { probe?.state.nextProbeAt ?? wait.due }
    /// What the last probe said; nil where nothing was said yet.
    public var lastResult: String? { probe.flatMap { $0.state.lastResult.isEmpty ? nil : $0.state.lastResult } }
}

/// Adds to waits what is known of their probes. Reads the probe of a target once, however many waits share it.
public struct WaitBook {
    private let owners: ShardOwners
    private var probes: [String: (probe: ProbeRow?, sharing: Int)] = [:]

    /// A book of a snapshot.
    public init(_ snapshot: Snapshot) throws {
        owners = try snapshot.shardOwners()
    }

    /// A wait with what is known of its probe.
    public mutating func view(_ wait: WaitRow, _ snapshot: Snapshot) throws -> WaitView {
        let key = "\(wait.kind) \(wait.target)"
        if let known = probes[key] { return view(wait, known) }
        let found = (
            probe: try snapshot.probe(kind: wait.kind, target: wait.target),
            sharing: wait.kind == "time" ? 1 : try snapshot.sharing(kind: wait.kind, target: wait.target)
        )
        probes[key] = found
        return view(wait, found)
    }

    private func view(_ wait: WaitRow, _ found: (probe: ProbeRow?, sharing: Int)) -> WaitView {
        WaitView(wait: wait, probe: found.probe, sharing: found.sharing, owner: owners.name(of: wait))
    }
}

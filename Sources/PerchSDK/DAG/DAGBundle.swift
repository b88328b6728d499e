// SPDX-License-Identifier: Apache-2.0

/// The DAGs of one executable. Mark the conforming type `@main`: the executable then has every command of Perch.
///
/// ```swift
/// @main
/// struct Orders: DAGBundle {
///     let dags: [DAG] = [DAG("daily", schedule: .daily) { dag in … }]
/// }
/// ```
public protocol DAGBundle: Sendable {
    /// Declares the DAGs. Called once in every process that runs their code.
    init()
    /// The DAGs, in the order in which listings show them.
    var dags: [DAG] { get }
    /// The `AsyncTrigger` types that code of tasks waits for: `[QueueDepth.self]`. Those of sensors need not stand
    /// here.
    var triggers: [any AsyncTrigger.Type] { get }
}

extension DAGBundle {
    /// None but those of sensors.
    public var triggers: [any AsyncTrigger.Type] { [] }
}

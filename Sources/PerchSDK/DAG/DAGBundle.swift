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
    /// Whether the DAGs of YAML files in the folder `core.dags_folder` are the bundle's too: false unless given.
    static var readsDAGFolder: Bool { get }
}

extension DAGBundle {
    /// None but those of sensors.
    public var triggers: [any AsyncTrigger.Type] { [] }
    /// Its DAGs are those in `dags` alone.
    public static var readsDAGFolder: Bool { false }
}

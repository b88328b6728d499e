// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Everything that a simulated history runs, as data: it can be printed, stored, and made smaller.
package struct Workload: Codable, Hashable, Sendable {
    /// A pool beside `default_pool`.
    package struct Pool: Codable, Hashable, Sendable {
        package var name: String
        package var slots: Int

        /// A pool of so many slots.
        package init(name: String, slots: Int) {
            self.name = name
            self.slots = slots
        }
    }

    package var dags: [SimulatedDAG]
    package var pools: [Pool]
    /// In the order of instants.
    package var plan: [PlannedOperation]
    /// When the last planned operation has happened; everything should end some time after it.
    package var horizon: TimeSpan

    /// A workload from its parts.
    package init(dags: [SimulatedDAG], pools: [Pool] = [], plan: [PlannedOperation] = [], horizon: TimeSpan) {
        self.dags = dags
        self.pools = pools
        self.plan = plan
        self.horizon = horizon
    }

    /// A DAG by its id.
    package func dag(_ id: String) -> SimulatedDAG? { dags.first { $0.dagID == id } }

    /// The same without some of its operations.
    package func leavingOut(_ range: Range<Int>) -> Workload {
        var smaller = self
        smaller.plan.removeSubrange(range.clamped(to: plan.indices))
        return smaller
    }

    /// The real DAGs, whose code writes into the ledger.
    package func build(ledger: Ledger, work: @escaping VirtualWork) -> [DAG] {
        dags.map { $0.build(ledger: ledger, work: work) }
    }
}

extension Workload: CustomStringConvertible {
    /// The plan, a line each; the DAGs in short.
    package var description: String {
        var lines: [String] = []
        for dag in dags {
            lines.append("dag \(dag.dagID), \(dag.maxActiveRuns) runs at once, \(dag.schedule)")
            for task in dag.tasks {
                let after = task.allUpstream.isEmpty ? "" : " after \(task.allUpstream.joined(separator: ", "))"
                lines.append(
                    "    \(task.id)\(after), \(task.triggerRule.rawValue): \(task.kind) \(task.script.actions)")
            }
        }
        lines += pools.map { "pool \($0.name), \($0.slots) slots" }
        lines += plan.map(\.description)
        return lines.joined(separator: "\n")
    }
}

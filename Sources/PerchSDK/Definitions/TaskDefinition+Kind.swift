// SPDX-License-Identifier: Apache-2.0

extension TaskDefinition {
    /// What runs the task, for people: `closure`, `sensor:file`, `EmptyOperator`.
    package var kindName: String {
        switch kind {
        case .code(let name): name
        case .sensor(let sensor): "sensor:\(sensor.trigger.kind)"
        case .empty: Self.emptyOperator
        case .latestOnly: Self.latestOnlyOperator
        }
    }
}

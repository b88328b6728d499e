// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersSQL
import PerchTriggersTestSupport

typealias SQLBench = SourceBench<SQLSource>

/// A source with short times, for tests.
func sqlBench(
    _ environment: [String: String] = [:], _ change: @escaping @Sendable (inout SQLSource.Options) -> Void = { _ in }
) async throws -> SQLBench {
    try await SourceBench { loop, report in
        var options = SQLSource.Options()
        change(&options)
        return SQLSource(loop: loop, options: options, environment: { environment[$0] }, report: report)
    }
}

func sqlWait(_ id: Int64, _ trigger: SQLTrigger) throws -> ArmedWait {
    let spec = try TriggerSpec(trigger)
    return ArmedWait(
        waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
        since: Timestamp(microseconds: 0))
}

extension SourceBench where Source == SQLSource {
    func untilResult(_ waitID: Int64, _ words: String, within bound: Duration = .seconds(20)) async throws {
        try await untilSource("the result '\(words)'", within: bound) { source in
            source.explain(waitID)?.probe?.lastResult.contains(words) == true
        }
    }

    func event(_ waitID: Int64) throws -> SQLEvent? { try payload(of: waitID)?.decode(SQLEvent.self) }
}

// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersHTTP
import PerchTriggersTestSupport

typealias HTTPBench = SourceBench<HTTPSource>

func httpBench(
    _ change: @escaping @Sendable (inout HTTPSource.Options) -> Void = { _ in }
) async throws -> HTTPBench {
    try await SourceBench { loop, report in
        var options = HTTPSource.Options()
        change(&options)
        return HTTPSource(
            loop: loop, options: options, environment: { $0 == "TOKEN" ? "s3cret" : nil }, report: report)
    }
}

func httpWait(_ id: Int64, _ trigger: HTTPTrigger) throws -> ArmedWait {
    let spec = try TriggerSpec(trigger)
    return ArmedWait(
        waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
        since: Timestamp(microseconds: 0))
}

extension SourceBench where Source == HTTPSource {
    func gauge(_ name: String) async throws -> Int {
        try await on { source, _ in source.gauges.first { $0.name == name }?.value ?? -1 }
    }

    func explanation(of waitID: Int64) async throws -> String {
        try await on { source, _ in source.explain(waitID)?.sentences.joined(separator: " ") ?? "" }
    }

    /// Waits until the last answer of a wait's probe is told in such words.
    func untilResult(_ waitID: Int64, _ words: String) async throws {
        try await untilSource("the result '\(words)'") { source in
            source.explain(waitID)?.probe?.lastResult.contains(words) == true
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersHTTP
import PerchTriggersTestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct StreamConnectionTests {
    @Test("Events come while the connection is open, one for all waits")
    func open() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await SourceBench { loop, report in
            StreamSource(loop: loop, environment: { _ in nil }, report: report)
        }
        defer { bench.end() }
        func wait(_ id: Int64, _ n: Int64) throws -> ArmedWait {
            let spec = try TriggerSpec(
                StreamTrigger.stream(server.url("/stream"), where: .json("$.n", equals: .integer(n))))
            return ArmedWait(
                waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
                since: Timestamp(microseconds: 0))
        }
        try await bench.add([try wait(1, 1), try wait(2, 2), try wait(3, 3)])
        try await bench.untilFired(2)
        #expect(bench.fired == [1, 2])
        #expect(try bench.payload(of: 2)?.decode(StreamEvent.self) == StreamEvent(id: "2", data: #"{"n": 2}"#))
        #expect(server.connectionCount == 1)
        try await bench.on { source, _ in source.remove(3) }
        let streams = try await bench.on { source, _ in source.gauges.first { $0.name == "streams" }?.value }
        #expect(streams == 0)
    }
}

// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchTriggersSocket
import PerchTriggersTestSupport
import Testing

@Suite("Waits for certificates", .timeLimit(.minutes(1)))
struct CertificateTests {
    private func wait(_ id: Int64, _ trigger: CertificateTrigger) throws -> ArmedWait {
        let spec = try TriggerSpec(trigger)
        return ArmedWait(
            waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
            since: Timestamp(microseconds: 0))
    }

    private func bench() async throws -> SocketBench {
        try await SourceBench { loop, report in SocketSource(loop: loop, report: report) }
    }

    @Test("A certificate that ends soon ends one wait and not the other, which a renewal ends")
    func renewal() async throws {
        guard TLSServer.isThere else { return }
        let server = try TLSServer(days: 2)
        defer { server.stop() }
        let bench = try await bench()
        defer { bench.end() }
        let often = Duration.seconds(1)
        try await bench.add([
            try wait(1, .certificate("localhost", port: server.port, endsWithin: .days(14), every: often)),
            try wait(2, .certificate("localhost", port: server.port, validFor: .days(30), every: often)),
            try wait(3, .certificate("localhost", port: server.port, endsWithin: .hours(1), every: often)),
        ])
        try await bench.untilFired(1)
        #expect(bench.fired == [1])
        let event = try #require(try bench.payload(of: 1)?.decode(CertificateEvent.self))
        #expect(event.subject.contains("localhost") && event.issuer.contains("localhost"))
        #expect(event.address == "127.0.0.1:\(server.port)")
        #expect((event.notAfter - event.notBefore).microseconds == 2 * 86_400 * 1_000_000)
        #expect(event.notBefore <= event.at && event.at < event.notAfter)
        let explanation = try await bench.on { source, _ in source.explain(2)?.sentences.joined(separator: " ") ?? "" }
        #expect(explanation.contains("until its certificate is valid for 30d at least"))
        #expect(explanation.contains("localhost, valid from"))
        try server.renew(days: 60)
        try await bench.untilFired(2)
        #expect(bench.fired == [1, 2])
    }

    @Test("Who refuses, and who does not speak TLS, ends no wait")
    func failures() async throws {
        let silent = try TestSocket()
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([
            try wait(1, .certificate("127.0.0.1", port: silent.port, endsWithin: .days(9_999), every: .seconds(1)))
        ])
        try await bench.untilSource("a refusal") { source in
            source.explain(1)?.probe?.lastResult.contains("connection refused") == true
        }
        #expect(bench.fired.isEmpty)
    }

    @Test("A trigger survives being stored; what is wrong with it is said")
    func coding() throws {
        for trigger in [
            CertificateTrigger(host: "db", until: .validFor(.seconds(5))),
            CertificateTrigger(host: "::1", port: 8_443, until: .endsWithin(.seconds(86_400)), every: .seconds(60)),
        ] {
            #expect(try TriggerSpec(trigger).trigger(as: CertificateTrigger.self) == trigger)
            #expect(trigger.problems.isEmpty)
        }
        let plain: JSONValue = ["host": "a", "valid_for": .integer(5)]
        #expect(try plain.decode(CertificateTrigger.self).port == 443)
        for bad in [["host": "a"], ["host": "a", "valid_for": .integer(1), "ends_within": .integer(1)]] as [JSONValue] {
            #expect(throws: (any Error).self) { try bad.decode(CertificateTrigger.self) }
        }
        #expect(CertificateTrigger(host: "", until: .validFor(.seconds(1))).problems.count == 1)
        #expect(CertificateTrigger(host: "a", port: 0, until: .validFor(.seconds(-1))).problems.count == 2)
        #expect(CertificateTrigger(host: "a", until: .validFor(.seconds(1)), every: .seconds(0)).problems.count == 1)
    }
}

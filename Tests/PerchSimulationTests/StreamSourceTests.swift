// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersHTTP
import Testing

@Suite(.timeLimit(.minutes(1)))
struct StreamSourceTests {
    private static let url = "http://a/events"

    private final class Bench {
        let loop = SteppedLoop()
        let servers = SimulatedHTTP()
        var reports: [SourceReport] = []
        private(set) var source: StreamSource!  // because it reports to this object

        init() {
            source = StreamSource(loop: loop, environment: { _ in nil }, transport: servers.transport(loop: loop)) {
                [unowned self] in reports.append($0)
            }
        }

        var fired: [Int64] { reports.compactMap { if case .fired(let id, _) = $0 { id } else { nil } } }

        func add(_ id: Int64, _ trigger: StreamTrigger, progress: JSONValue? = nil) throws {
            let spec = try TriggerSpec(trigger)
            source.add([
                ArmedWait(
                    waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
                    since: Timestamp(microseconds: 0), progress: progress)
            ])
        }

        func end() {
            source.shutDown()
            #expect(loop.timerCount == 0)
        }
    }

    private static func stream(_ text: String) -> SimulatedAnswer {
        SimulatedAnswer(headers: [("Content-Type", "text/event-stream")], body: Array(text.utf8))
    }

    @Test("One connection serves all waits, each with its condition; the next one goes on after the last id")
    func sharing() throws {
        let bench = Bench()
        var ids: [String?] = []
        bench.servers.serve(Self.url) { request in
            ids.append(request.headers.first { $0.name == "Last-Event-ID" }?.value)
            return Self.stream("retry: 1000\nid: \(request.number)\nevent: n\ndata: {\"n\": \(request.number)}\n\n")
        }
        for id in 1...100 as ClosedRange<Int64> {
            try bench.add(id, .stream(Self.url, event: "n", where: .json("$.n", .atLeast(.integer(id % 3 + 1)))))
        }
        try bench.add(200, .stream(Self.url, event: "other"))
        bench.loop.pass(.milliseconds(500))
        #expect(bench.fired == (1...100).filter { $0 % 3 == 0 })
        #expect(bench.source.explain(1)?.sharing == 68)
        bench.loop.pass(.seconds(6))
        #expect(bench.fired.count == 100)
        #expect(ids.prefix(3) == [nil, "1", "2"])
        let words = try #require(bench.source.explain(200)).sentences.joined(separator: " ")
        #expect(words.contains("The last event's id is"))
        bench.end()
    }

    @Test("The last id is stored, and a restart goes on from there")
    func resume() throws {
        let first = Bench()
        first.servers.serve(Self.url) { _ in Self.stream("id: 41\ndata: 1\n\n") }
        try first.add(1, .stream(Self.url, event: "never"))
        first.loop.pass(.seconds(1))
        try first.add(2, .stream(Self.url, event: "never"))
        #expect(first.reports.contains(.progressed(waitID: 2, progress: .object(["last_id": "41"]))))
        var stored: JSONValue?
        for case .progressed(1, let progress) in first.reports { stored = progress }
        first.end()
        let second = Bench()
        var id: String?
        second.servers.serve(Self.url) { request in
            id = id ?? request.headers.first { $0.name == "Last-Event-ID" }?.value
            return Self.stream("data: 1\n\n")
        }
        try second.add(1, .stream(Self.url), progress: stored)
        second.loop.pass(.seconds(1))
        #expect(id == "41")
        #expect(second.fired == [1])
        second.end()
    }

    @Test(
        "A server in trouble is connected to ever more seldom, and the wait goes on",
        arguments: [
            (SimulatedAnswer.fails(.refused), "no connection"), (.status(500), "500"),
            (.status(200, "text"), "200, not a text/event-stream"), (.fails(.tls), "TLS"),
            (.redirect("http://a/events"), "redirected too often"),
        ])
    func trouble(answer: SimulatedAnswer, words: String) throws {
        let bench = Bench()
        var isWell = false
        bench.servers.serve(Self.url) { _ in isWell ? Self.stream("data: x\n\n") : answer }
        try bench.add(1, .stream(Self.url))
        bench.loop.pass(.seconds(3_600))
        #expect(bench.servers.requests(to: Self.url) <= 25 * 11)
        #expect(bench.source.explain(1)?.probe?.lastResult.contains(words) == true)
        isWell = true
        bench.loop.pass(.seconds(400))
        #expect(bench.fired == [1])
        bench.end()
    }

    @Test("A server that ends the stream for good breaks its waits")
    func gone() throws {
        let bench = Bench()
        bench.servers.serve(Self.url) { _ in .status(204) }
        try bench.add(1, .stream(Self.url))
        bench.loop.pass(.seconds(60))
        #expect(bench.servers.requests(to: Self.url) == 1)
        #expect(bench.reports.contains { if case .broken(1, let words) = $0 { words.contains("204") } else { false } })
        bench.end()
    }
}

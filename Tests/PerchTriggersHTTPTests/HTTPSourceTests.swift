// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchTriggersHTTP
import PerchTriggersTestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct HTTPSourceTests {
    private struct Job: Codable, Equatable {
        var state: String
        var asked: Int
    }

    @Test("A wait fires with the answer that meets its condition, over one connection")
    func jobStates() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([
            try httpWait(
                1, .http(server.url("/job/4"), every: .milliseconds(100), until: .json("$.state", in: ["DONE"])))
        ])
        try await bench.untilFired(1)
        let event = try #require(try bench.payload(of: 1)?.decode(HTTPEvent.self))
        #expect(event.status == 200)
        #expect(event.headers["x-state"] == "DONE")
        #expect(try event.decode(Job.self) == Job(state: "DONE", asked: 4))
        #expect(server.connectionCount == 1)
        #expect(try await bench.gauge("http_probes") == 0)
    }

    @Test("Ten thousand waits on one request share it, each with its own condition")
    func sharing() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        let url = server.url("/job/3")
        let waits = try (0..<10_000 as Range<Int64>).map { id in
            let condition: HTTPCondition = .json("$.asked", .atLeast(.integer(id % 100 + 1)))
            return try httpWait(id, .http(url, every: .milliseconds(100 + Int(id % 7)), until: condition))
        }
        let sharing = try await bench.on { source, _ in
            source.add(waits)
            return source.explain(500)?.sharing
        }
        #expect(sharing == 10_000)
        #expect(try await bench.gauge("http_probes") == 1)
        try await bench.untilFired(300)
        let fired = bench.fired
        #expect(Set(fired.prefix(300).map { $0 % 100 }) == [0, 1, 2])
        #expect(server.requests.count >= 3)
        #expect(fired.count <= 100 * server.requests.count)
    }

    @Test("Conditions on status, header and body are checked where the answer arrives")
    func conditions() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        let gone = server.url("/status/404")
        let job = server.url("/job/1")
        try await bench.add([
            try httpWait(1, .http(gone, until: .status(404))),
            try httpWait(2, .http(gone)),
            try httpWait(3, .http(gone, until: .body(matches: "^status"))),
            try httpWait(4, .http(gone, until: .all([.status(in: 400...499), .body(matches: "^status \\d+$")]))),
            try httpWait(5, .http(job, until: .header("X-State", equals: "DONE"))),
            try httpWait(6, .http(job, until: .header("x-state", matches: "^RUN"))),
            try httpWait(7, .http(job, until: .any([.status(500), .json("$.asked", .greaterThan(0))]))),
            try httpWait(8, .http(job, until: .not(.json("$.state", equals: "DONE")))),
        ])
        try await bench.untilFired(4)
        try await bench.untilResult(2, "404, condition not met")
        try await bench.untilResult(6, "200, condition not met")
        #expect(bench.fired.sorted() == [1, 4, 5, 7])
    }

    @Test("Headers are sent, secrets among them, and secrets stay out of everything that is told or stored")
    func headers() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        let wait = try httpWait(
            1,
            .http(
                server.url("/status/202"), until: .status(200), method: "POST",
                headers: ["Authorization": .environment("TOKEN", prefix: "Bearer "), "X-Plain": "yes"],
                body: #"{"a": 1}"#)
        )
        #expect(!wait.definition.text.contains("s3cret"))
        try await bench.add([
            wait, try httpWait(2, .http(server.url("/"), headers: ["X": .environment("MISSING")])),
        ])
        try await bench.untilResult(1, "202")
        let request = try #require(server.requests.first)
        #expect(request.method == "POST")
        #expect(request.body == #"{"a": 1}"#)
        #expect(request.headers["authorization"] == "Bearer s3cret")
        #expect(request.headers["x-plain"] == "yes")
        #expect(request.headers["content-type"] == "application/json")
        #expect(!(try await bench.explanation(of: 1)).contains("s3cret"))
        #expect(!"\(bench.reports)".contains("s3cret"))
        #expect(
            bench.reports.contains { report in
                if case .broken(2, let message) = report {
                    message.contains("MISSING, which is not set")
                } else {
                    false
                }
            })
    }

    @Test("A redirect to another host is followed without the secrets")
    func secretsStayHome() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([
            try httpWait(
                1, .http(server.url("/elsewhere"), headers: ["X-Key": .environment("TOKEN"), "X-Plain": "yes"])),
            try httpWait(2, .http(server.url("/form"), method: "POST", body: "{}")),
        ])
        try await bench.untilFired(2)
        let first = try #require(server.requests(to: "/elsewhere").first)
        #expect(first.headers["x-key"] == "s3cret")
        let second = try #require(server.requests(to: "/status/200").first { $0.headers["x-plain"] != nil })
        #expect(second.headers["host"]?.hasPrefix("localhost") == true)
        #expect(second.headers["x-key"] == nil)
        let fetched = try #require(server.requests(to: "/status/200").first { $0.headers["x-plain"] == nil })
        #expect(fetched.method == "GET")
        #expect(fetched.body.isEmpty)
    }

    @Test("Requests to one host are made so many at a time")
    func perHost() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench { $0.perHost = 3 }
        defer { bench.end() }
        try await bench.add(
            try (0..<200 as Range<Int64>).map {
                try httpWait($0, .http(server.url("/status/200?\($0)"), every: .seconds(1)))
            })
        try await bench.untilFired(200)
        #expect(server.mostAtOnce <= 3)
        #expect(server.connectionCount <= 4)
    }

    @Test("A removed wait takes its probe along, under way or not")
    func removal() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([
            try httpWait(1, .http(server.url("/hang"), until: .status(200))),
            try httpWait(2, .http(server.url("/status/404"), every: .milliseconds(100))),
        ])
        try await bench.untilSource("asking") { source in
            source.explain(1)?.sentences.contains("It is being asked now.") == true
        }
        try await bench.untilResult(2, "404")
        try await bench.on { source, _ in
            source.remove(1)
            source.remove(2)
            source.remove(3)
        }
        #expect(try await bench.gauge("http_requests") == 0)
        #expect(try await bench.gauge("http_probes") == 0)
        // What was on its way has come by then.
        try await bench.pass(.milliseconds(200))
        let before = server.requests.count
        try await bench.pass(.milliseconds(250))
        #expect(server.requests.count == before)
        #expect(bench.fired.isEmpty)
    }

    @Test("A probe out of turn is made at once and answers after the report")
    func probeNow() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([
            try httpWait(1, .http(server.url("/job/2"), every: .hours(1), until: .json("$.state", equals: "DONE")))
        ])
        try await bench.untilResult(1, "200, condition not met")
        let firedByThen: [Int64] = await withCheckedContinuation { continuation in
            bench.reactor.submit {
                Task {
                    try await bench.on { source, _ in
                        source.probeNow(1) { continuation.resume(returning: bench.fired) }
                    }
                }
            }
        }
        #expect(firedByThen == [1])
    }
}

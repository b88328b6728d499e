// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersHTTP
import Testing

@Suite(.timeLimit(.minutes(1)))
struct SimulatedHTTPTests {
    private static let url = "http://api.example/job"

    @Test("A wait fires with the answer that meets its condition, after so many requests at its period")
    func fires() throws {
        let bench = HTTPSimulation()
        bench.servers.serve(Self.url) { request in
            .json(#"{"state": "\#(request.number < 4 ? "RUNNING" : "DONE")"}"#)
        }
        try bench.add([(1, .http(Self.url, every: .seconds(60), until: .json("$.state", equals: "DONE")))])
        bench.loop.pass(.seconds(150))
        #expect(bench.fired.isEmpty)
        bench.loop.pass(.seconds(60))
        #expect(bench.fired == [1])
        #expect(bench.servers.requests(to: Self.url) == 4)
        #expect(bench.payload(of: 1)?["status"] == .integer(200))
        bench.end()
    }

    @Test(
        "Whatever a server does, the wait goes on, tells what the last answer was, and fires when the server is well",
        arguments: [
            (SimulatedAnswer.fails(.hang), "timed out after 10s"), (.fails(.refused), "connection refused"),
            (.fails(.unknownName), "the host's name is not known"), (.fails(.reset), "the connection broke"),
            (.fails(.resetInBody), "the connection broke"), (.fails(.noAnswer), "closed without an answer"),
            (.fails(.partialBody), "200, the connection was closed in the middle of the body"),
            (.fails(.tls), "TLS: "), (.large(2_000_000), "200, body larger than 1048576 bytes"),
            (.redirect("/job"), "redirected in a circle"), (.redirect("ftp://api.example/"), "is not http or https"),
            (.json("{ no JSON"), "200, condition not met"), (.busy(429, retryAfter: 20), "429"),
            (.busy(retryAfter: 9_223_372_036_854_775_807), "503"),
            (.json("true").after(.seconds(11)), "timed out after 10s"),
        ])
    func failures(answer: SimulatedAnswer, words: String) throws {
        let bench = HTTPSimulation()
        bench.servers.serve(Self.url, [answer, answer, .json("true")])
        try bench.add([(1, .http(Self.url, every: .seconds(5), until: .json("$", equals: true)))])
        bench.loop.pass(.seconds(11))
        let told = bench.reports.compactMap { if case .probed(let state) = $0 { state.lastResult } else { nil } }
        #expect(told.first?.contains(words) == true, "\(told)")
        bench.loop.pass(.seconds(3 * 3_600))
        #expect(bench.fired == [1])
        #expect(bench.servers.requestsUnderWay == 0)
        bench.end()
    }

    @Test("A server that asks for patience is not asked before, and a failing one ever more seldom")
    func patience() throws {
        let bench = HTTPSimulation()
        var instants: [String: [Int64]] = [:]
        bench.servers.onRequest = { instants[$0.url, default: []].append($0.at.microseconds) }
        bench.servers.serve("http://a/", [.busy(retryAfter: 120), .status(200)])
        bench.servers.serve("http://b/") { _ in .status(500) }
        try bench.add([(1, .http("http://a/", every: .seconds(1))), (2, .http("http://b/", every: .seconds(1)))])
        bench.loop.pass(.seconds(3_600))
        let first = try #require(instants["http://a/"])
        #expect(first.count == 2)
        #expect(first[1] - first[0] >= 120_000_000)
        let second = try #require(instants["http://b/"])
        let gaps = zip(second.dropFirst(), second).map { $0 - $1 }
        #expect((gaps.max() ?? 0) <= 330_000_000 + 50_000)
        #expect((gaps.last ?? 0) >= 270_000_000 - 50_000)
        bench.end()
    }

    @Test("Of a server that is well now and then, a good answer is caught")
    func flapping() throws {
        let bench = HTTPSimulation()
        bench.servers.flap(Self.url, every: .seconds(60), .fails(.refused), .status(200))
        try bench.add([(1, .http(Self.url, every: .seconds(10)))])
        bench.loop.pass(.seconds(3_600))
        #expect(bench.fired == [1])
        bench.servers.setOutage("api.example", .hang)
        bench.servers.serve(Self.url, [.status(200)])
        try bench.add([(2, .http(Self.url, every: .seconds(10)))])
        bench.loop.pass(.seconds(3_600))
        #expect(bench.fired == [1])
        bench.servers.setOutage("api.example", nil)
        bench.loop.pass(.seconds(400))
        #expect(bench.fired == [1, 2])
        bench.end()
    }

    @Test("A redirect is followed, to another host without the secrets")
    func redirects() throws {
        let bench = HTTPSimulation()
        var seen: [SimulatedHTTP.Request] = []
        bench.servers.onRequest = { seen.append($0) }
        bench.servers.serve("http://a/x/y") { _ in .redirect("../z", status: 307) }
        bench.servers.serve("http://a/x/../z") { _ in .redirect("http://b/end", status: 307) }
        bench.servers.serve("http://b/end") { _ in .status(200) }
        try bench.add([(1, .http("http://a/x/y?q=1", headers: ["X-Key": .environment("TOKEN"), "X": "plain"]))])
        bench.loop.pass(.seconds(1))
        #expect(bench.fired == [1])
        #expect(seen.map(\.url) == ["http://a/x/y?q=1", "http://a/x/../z", "http://b/end"])
        #expect(seen.map { $0.headers.contains { $0.value == "s3cret" } } == [true, true, false])
        bench.end()
    }

    @Test("What was cancelled, closed or killed delivers nothing, and a dead process asks for nothing")
    func ends() throws {
        let bench = HTTPSimulation()
        bench.servers.serve(Self.url) { _ in .status(200).after(.seconds(5)) }
        try bench.add([(1, .http(Self.url))])
        bench.loop.pass(.seconds(1))
        #expect(bench.servers.requestsUnderWay == 1)
        bench.source.remove(1)
        #expect(bench.servers.requestsUnderWay == 0)
        try bench.add([(2, .http(Self.url))])
        bench.loop.pass(.seconds(1))
        bench.transport.die()
        #expect(bench.servers.requestsUnderWay == 0)
        try bench.add([(3, .http(Self.url))])
        bench.loop.pass(.seconds(600))
        #expect(bench.fired.isEmpty)
        #expect(bench.servers.requests(to: Self.url) == 2)
        let next = HTTPSimulation(servers: bench.servers, loop: bench.loop)
        try next.add([(2, .http(Self.url))])
        next.loop.pass(.seconds(6))
        #expect(next.fired == [2])
        try next.add([(3, .http(Self.url))])
        next.loop.pass(.seconds(1))
        next.end()
        #expect(bench.servers.requestsUnderWay == 0)
    }

    @Test("The clock may jump in the middle of a request: no request may then take longer than was granted")
    func clockJumps() throws {
        let bench = HTTPSimulation()
        var granted: [Int64] = []
        bench.servers.serve("http://a/") { _ in .redirect("http://b/", status: 307) }
        bench.servers.serve("http://b/") { _ in .fails(.hang) }
        bench.transport.onStart = { granted.append($0.timeout.microseconds) }
        try bench.add([(1, .http("http://a/", every: .seconds(60), timeout: .seconds(10)))])
        bench.loop.pass(.milliseconds(0))
        bench.loop.setBack(.seconds(3_600))
        bench.loop.pass(.seconds(3_700))
        #expect(granted.count >= 2)
        #expect(granted.allSatisfy { $0 <= 10_000_000 })
        bench.end()
    }

    @Test("In a storm of answers a wait fires by a good one alone, and once, and nothing is left", arguments: 0..<200)
    func storm(seed: Int) throws {
        var chance = SeededNumbers(seed: UInt64(seed) &* 104_729)
        var options = HTTPSource.Options()
        options.perHost = 1 + chance.below(3)
        options.inAll = 2 + chance.below(4)
        let bench = HTTPSimulation(loop: SteppedLoop(seed: UInt64(seed)), options: options)
        let bad: [SimulatedAnswer] = [
            .fails(.hang), .fails(.refused), .fails(.reset), .fails(.partialBody), .large(1_100_000), .status(404),
            .redirect("/circle"), .busy(429, retryAfter: 7), .busy(retryAfter: .max), .json("{"), .status(500),
        ]
        var isWell = false
        bench.servers.fallback = { request in
            if isWell { return .status(200) }
            if chance.below(30) == 0 { return .status(200).after(.seconds(Int64(chance.below(12)))) }
            return chance.one(of: bad)
        }
        var wanted: Set<Int64> = []
        var lastID: Int64 = 0
        bench.onFire = { waitID, payload in
            #expect(wanted.remove(waitID) != nil, "seed \(seed): \(waitID) fired and was not waited for")
            #expect(payload["status"] == .integer(200))
        }
        for _ in 0..<150 {
            switch chance.below(10) {
            case 0..<4:
                lastID += 1
                wanted.insert(lastID)
                let url = "http://\(chance.one(of: ["a", "b", "c"]))/\(chance.below(3))"
                try bench.add([
                    (
                        lastID,
                        .http(
                            url, every: .seconds(chance.one(of: [1, 20])),
                            until: .all([.status(200), .body(matches: "^$")]))
                    )
                ])
            case 4:
                guard let waitID = wanted.sorted().randomElement(using: &chance) else { break }
                wanted.remove(waitID)
                bench.source.remove(waitID)
            case 5:
                guard let waitID = wanted.sorted().randomElement(using: &chance) else { break }
                bench.source.probeNow(waitID) {}
            case 6 where chance.below(10) == 0: bench.loop.jump(.seconds(Int64(chance.below(600))))
            case 6 where chance.below(10) == 0: bench.loop.setBack(.seconds(Int64(chance.below(600))))
            case 6: bench.loop.pass(.seconds(Int64(chance.below(60))))
            default: bench.loop.pass(TimeSpan(microseconds: Int64(chance.below(200_000))))
            }
            #expect(bench.gauge("http_requests") <= options.inAll)
            #expect(bench.gauge("http_requests") == bench.servers.requestsUnderWay)
        }
        isWell = true
        bench.loop.pass(.seconds(4 * 3_600))
        #expect(wanted.isEmpty, "seed \(seed): not fired: \(wanted.sorted())")
        for name in ["http_waits", "http_probes", "http_requests", "http_sockets"] {
            #expect(bench.gauge(name) == 0, "seed \(seed): \(name)")
        }
        bench.end()
    }
}

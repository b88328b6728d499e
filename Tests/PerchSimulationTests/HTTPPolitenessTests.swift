// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchSimulation
import PerchTriggersHTTP
import Testing

/// What one host gets to feel of many waits.
@Suite(.timeLimit(.minutes(1)))
struct HTTPPolitenessTests {
    /// The most instants within a second.
    private static func mostInASecond(_ instants: [Int64]) -> Int {
        var (most, first) = (0, 0)
        for (place, instant) in instants.enumerated() {
            while instant - instants[first] >= 1_000_000 { first += 1 }
            most = max(most, place - first + 1)
        }
        return most
    }

    private static func options(_ change: (inout HTTPSource.Options) -> Void) -> HTTPSource.Options {
        var options = HTTPSource.Options()
        change(&options)
        return options
    }

    @Test(
        "An aligned burst of 5,000 sensors on one host keeps to its requests at a time and a second",
        arguments: [7, 100, 1_000])
    func burst(rate: Int) throws {
        let bench = HTTPSimulation(options: Self.options { $0.perHostRate = rate })
        var (instants, mostAtOnce): ([Int64], Int) = ([], 0)
        bench.servers.latency = 1_000...4_000
        bench.servers.fallback = { _ in .status(404) }
        bench.servers.onRequest = { request in
            instants.append(request.at.microseconds)
            mostAtOnce = max(mostAtOnce, bench.servers.requestsUnderWay)
        }
        try bench.add((0..<5_000).map { (Int64($0), .http("http://a/\($0)", every: .seconds(10))) })
        bench.loop.pass(.seconds(20))
        #expect(Self.mostInASecond(instants) <= rate)
        #expect(mostAtOnce <= 8)
        // It is used, too: half of what 5,000 sensors want is more than the lower rates grant.
        #expect(instants.count >= min(20 * rate * 9 / 10, 5_000))
        let waiting = (0..<5_000).lazy.compactMap { bench.source.explain(Int64($0))?.sentences.last }
        if rate < 500 { #expect(waiting.contains { $0.contains("8 at a time and \(rate) a second for one host") }) }
        bench.end()
    }

    @Test("Without a rate there is none", .timeLimit(.minutes(1)))
    func noRate() throws {
        let bench = HTTPSimulation(options: Self.options { $0.perHostRate = 0 })
        bench.servers.latency = 1_000...1_000
        bench.servers.fallback = { _ in .status(404) }
        try bench.add((0..<4_000).map { (Int64($0), .http("http://a/\($0)", every: .seconds(60))) })
        bench.loop.pass(.seconds(1))
        #expect(bench.servers.requestCounts.count == 4_000)
        bench.end()
    }

    @Test(
        "When the network goes, one request at a time tries each host; when it is back, 10,000 waits follow one another",
        arguments: [SimulatedAnswer.Fault.refused, .unknownName, .silence])
    func outage(fault: SimulatedAnswer.Fault) throws {
        let bench = HTTPSimulation()
        var instants: [Int64] = []
        bench.servers.latency = 1_000...4_000
        bench.servers.fallback = { _ in .status(404) }
        bench.servers.onRequest = { instants.append($0.at.microseconds) }
        try bench.add((0..<10_000).map { (Int64($0), .http("http://a/\($0)", every: .seconds(60))) })
        bench.loop.pass(.seconds(120))
        bench.servers.setOutage("a", fault)
        bench.loop.pass(.seconds(60))
        instants = []
        bench.loop.pass(.seconds(600))
        // About one a minute.
        #expect(instants.count <= 30)
        #expect(instants.count >= 6)
        let words = try #require(bench.source.explain(1)).sentences.joined(separator: " ")
        #expect(words.contains("The host has not been reached since "))
        #expect(words.contains("One request for all waits on it tries again "))
        bench.servers.setOutage("a", nil)
        instants = []
        bench.loop.pass(.seconds(120))
        // All are asked again, over half a period and not in one go.
        #expect(instants.count >= 10_000)
        #expect(Self.mostInASecond(instants) <= 600)
        bench.servers.fallback = { _ in .status(200) }
        bench.loop.pass(.seconds(120))
        #expect(bench.fired.count == 10_000)
        bench.end()
    }

    @Test("A new wait for a host that was not reached for long makes it be tried within seconds, however many come")
    func newcomers() throws {
        let bench = HTTPSimulation()
        bench.servers.fallback = { _ in .fails(.refused) }
        try bench.add([(0, .http("http://a/0", every: .seconds(60)))])
        bench.loop.pass(.seconds(600))
        let before = bench.servers.requestCounts.reduce(0) { $0 + $1.count }
        for number in 1...60 as ClosedRange<Int64> {
            try bench.add([(number, .http("http://a/\(number)", every: .seconds(1)))])
            bench.loop.pass(.seconds(1))
        }
        let tries = bench.servers.requestCounts.reduce(0) { $0 + $1.count } - before
        #expect((10...14).contains(tries), "\(tries)")
        bench.servers.fallback = { _ in .status(200) }
        try bench.add([(100, .http("http://a/100", every: .seconds(1)))])
        bench.loop.pass(.seconds(6))
        #expect(bench.fired.contains(100))
        bench.end()
    }

    @Test("A probe out of turn gets its answer with the next try of a host that is not reached")
    func outOfTurn() throws {
        let bench = HTTPSimulation()
        bench.servers.fallback = { _ in .fails(.refused) }
        try bench.add((0..<100).map { (Int64($0), .http("http://a/\($0)", every: .seconds(60))) })
        bench.loop.pass(.seconds(600))
        let before = bench.servers.requestCounts.reduce(0) { $0 + $1.count }
        var answered = 0
        for waitID in 0..<100 as Range<Int64> { bench.source.probeNow(waitID) { answered += 1 } }
        bench.loop.pass(.seconds(2))
        #expect(answered == 100)
        #expect(bench.servers.requestCounts.reduce(0) { $0 + $1.count } - before <= 2)
        bench.servers.fallback = { _ in .status(200) }
        for waitID in 0..<100 as Range<Int64> { bench.source.probeNow(waitID) { answered += 1 } }
        bench.loop.pass(.seconds(60))
        #expect(answered == 200)
        #expect(bench.fired.count == 100)
        bench.end()
    }

    @Test("One that redirects to a host that is gone is there itself")
    func redirectToNobody() throws {
        let bench = HTTPSimulation()
        bench.servers.serve("http://a/x") { _ in .redirect("http://gone/") }
        bench.servers.serve("http://a/y") { _ in .status(404) }
        try bench.add([(1, .http("http://a/x", every: .seconds(1))), (2, .http("http://a/y", every: .seconds(1)))])
        bench.loop.pass(.seconds(100))
        #expect(bench.servers.requests(to: "http://a/y") >= 90)
        bench.end()
    }

    @Test("A 429 with a time, in seconds or as a date, is for the whole host; a 503 for its address alone")
    func patience() throws {
        let bench = HTTPSimulation()
        var instants: [String: [Int64]] = [:]
        bench.servers.onRequest = { instants[String($0.url.prefix(8)), default: []].append($0.at.microseconds) }
        // The loop begins at 2027-01-15 08:00 UTC.
        let date = SimulatedAnswer(status: 429, headers: [("Retry-After", "Fri, 15 Jan 2027 08:05:00 GMT")])
        bench.servers.serve("http://a/0", [.status(404), .busy(429, retryAfter: 60), .status(404)])
        bench.servers.serve("http://b/0", [.status(404), date, .status(404)])
        bench.servers.serve("http://c/0", [.status(404), .busy(503, retryAfter: 60), .status(404)])
        for host in ["a", "b", "c"] {
            for path in 1...9 { bench.servers.serve("http://\(host)/\(path)") { _ in .status(404) } }
        }
        let start = bench.loop.now
        #expect(start == 1_800_000_000_000_000)
        for (number, host) in ["a", "b", "c"].enumerated() {
            try bench.add(
                (0...9).map { (Int64(number * 10 + $0), .http("http://\(host)/\($0)", every: .seconds(5))) })
        }
        bench.loop.pass(.seconds(30))
        #expect(
            bench.source.explain(3)?.sentences.contains { $0.hasPrefix("The host asked for patience (429)") } == true)
        bench.loop.pass(.seconds(370))
        func longestGap(_ host: String) -> Int64 {
            let of = instants["http://\(host)", default: []]
            return zip(of.dropFirst(), of).map { $0 - $1 }.max() ?? 0
        }
        #expect((59_000_000...66_000_000).contains(longestGap("a")))
        #expect((290_000_000...301_000_000).contains(longestGap("b")))
        #expect(longestGap("c") <= 6_000_000)
        #expect(instants["http://b", default: []].filter { $0 > start + 7_000_000 && $0 < start + 300_000_000 }.isEmpty)
        bench.end()
    }

    @Test("A host that asked for patience is left alone although its last wait went and another came")
    func patienceStays() throws {
        let bench = HTTPSimulation()
        bench.servers.serve("http://a/") { _ in .busy(429, retryAfter: 60) }
        try bench.add([(1, .http("http://a/", every: .seconds(1)))])
        bench.loop.pass(.seconds(1))
        bench.source.remove(1)
        try bench.add([(2, .http("http://a/", every: .seconds(1)))])
        bench.loop.pass(.seconds(50))
        #expect(bench.servers.requests(to: "http://a/") == 1)
        bench.source.remove(2)
        bench.loop.pass(.seconds(20))
        #expect(bench.gauge("http_hosts") == 0)
        bench.end()
    }

    @Test("An adaptive period grows while answers stay the same and begins anew with another one")
    func adaptive() throws {
        let bench = HTTPSimulation()
        var instants: [Int64] = []
        bench.servers.onRequest = { instants.append($0.at.microseconds) }
        bench.servers.serve("http://a/") { .json(#"{"n": \#($0.number < 20 ? 1 : 2)}"#) }
        try bench.add([
            (
                1,
                .http(
                    "http://a/", period: .adaptive(from: .seconds(1), to: .seconds(30)), until: .json("$.n", equals: 3))
            )
        ])
        while bench.servers.requests(to: "http://a/") < 23 { bench.loop.pass(.seconds(1)) }
        let gaps = zip(instants.dropFirst(), instants).map { Double($0 - $1) / 1_000_000 }
        #expect(gaps[0] < 1.3)
        #expect(gaps[5] > 4)
        #expect(gaps[12...18].allSatisfy { $0 > 25 && $0 < 35 })
        #expect(gaps[19] < 1.3)
        let words = try #require(bench.source.explain(1)).sentences.joined(separator: " ")
        #expect(words.contains("The period grows from 1s to 30s while answers stay the same"))
        // One that wants it more often is the measure for both.
        try bench.add([(2, .http("http://a/", every: .seconds(2), until: .json("$.n", equals: 3)))])
        bench.loop.pass(.seconds(100))
        #expect((35...75).contains(instants.count - 23))
        bench.end()
    }
}

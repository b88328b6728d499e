// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchSimulation
import PerchTriggersHTTP
import Testing

/// Asking for an answer only if it is another one.
@Suite(.timeLimit(.minutes(1)))
struct HTTPValidatorTests {
    private static let url = "http://a/job"

    /// A server whose answer has a version, and the requests that it got.
    private final class Versions {
        var version = 1
        var requests: [(validator: String?, status: Int)] = []
        var header = "ETag"

        func answer(_ request: SimulatedHTTP.Request) -> SimulatedAnswer {
            let name = header == "ETag" ? "If-None-Match" : "If-Modified-Since"
            let validator = request.headers.first { $0.name == name }?.value
            let isSame = validator == "\"v\(version)\""
            requests.append((validator, isSame ? 304 : 200))
            guard !isSame else { return .status(304) }
            var answer = SimulatedAnswer.json(#"{"version": \#(version)}"#)
            answer.headers.append((header, "\"v\(version)\""))
            return answer
        }
    }

    private func bench(_ server: Versions) -> HTTPSimulation {
        let bench = HTTPSimulation()
        bench.servers.serve(Self.url) { server.answer($0) }
        return bench
    }

    private func version(_ version: Int64, every: Duration = .seconds(10)) -> HTTPTrigger {
        .http(Self.url, every: every, until: .json("$.version", .atLeast(.integer(version))))
    }

    @Test(
        "A probe names the last answer's validator, and takes 304 for the answer before",
        arguments: ["ETag", "Last-Modified"])
    func unchanged(header: String) throws {
        let server = Versions()
        server.header = header
        let bench = bench(server)
        try bench.add([(1, version(2))])
        bench.loop.pass(.seconds(55))
        #expect(server.requests.map(\.status) == [200, 304, 304, 304, 304, 304])
        #expect(server.requests[0].validator == nil)
        let words = try #require(bench.source.explain(1)).sentences.joined(separator: " ")
        #expect(words.contains("200 as before (304), condition not met"))
        #expect(words.contains("only if it is another than the last (\(header))"))
        server.version = 2
        bench.loop.pass(.seconds(12))
        #expect(bench.fired == [1])
        #expect(bench.payload(of: 1)?["status"] == .integer(200))
        bench.end()
    }

    @Test("A wait that has not judged the answer that stands gets all of it; one with a judged condition needs none")
    func newcomers() throws {
        let server = Versions()
        server.version = 5
        let bench = bench(server)
        try bench.add([(1, version(6))])
        bench.loop.pass(.seconds(25))
        try bench.add([(2, version(6))])
        bench.loop.pass(.seconds(20))
        #expect(server.requests.filter { $0.validator == nil }.count == 1)
        try bench.add([(3, version(5))])
        bench.loop.pass(.seconds(12))
        #expect(bench.fired == [3])
        #expect(server.requests.filter { $0.validator == nil }.count == 2)
        bench.loop.pass(.seconds(12))
        #expect(server.requests.last?.status == 304)
        bench.end()
    }

    @Test("A wait that comes while a 304 is on its way has its answer at once")
    func crossing() throws {
        let server = Versions()
        let bench = bench(server)
        bench.servers.latency = 1_000_000...1_000_000
        try bench.add([(1, version(2))])
        while server.requests.count < 2 { bench.loop.pass(.milliseconds(100)) }
        try bench.add([(2, version(1))])
        bench.loop.pass(.seconds(3))
        #expect(bench.fired == [2])
        #expect(server.requests.map(\.status) == [200, 304, 200])
        bench.end()
    }

    @Test("Validators are of one process: after a restart all of the answer comes")
    func restart() throws {
        let server = Versions()
        let first = bench(server)
        try first.add([(1, version(2))])
        first.loop.pass(.seconds(25))
        first.end()
        let second = HTTPSimulation(servers: first.servers, loop: first.loop)
        try second.add([(1, version(2))])
        second.loop.pass(.seconds(5))
        #expect(server.requests.last?.validator == nil)
        second.end()
    }

    @Test("No validators go with what is no reading, with those of the user's own, and after another answer than 200")
    func without() throws {
        let server = Versions()
        let bench = bench(server)
        bench.servers.serve("http://a/turns") { request in
            var answer = SimulatedAnswer.status(request.number % 2 == 1 ? 200 : 500)
            answer.headers = [("ETag", "\"x\"")]
            server.requests.append((request.headers.first { $0.name == "If-None-Match" }?.value, answer.status))
            return answer
        }
        let until: HTTPCondition = .json("$.version", equals: 9)
        try bench.add([
            (1, .http(Self.url, every: .seconds(1), until: until, method: "POST", body: "{}")),
            (2, .http(Self.url, every: .seconds(1), until: until, headers: ["if-match": "*"])),
        ])
        bench.loop.pass(.seconds(10))
        #expect(server.requests.count > 10)
        #expect(server.requests.allSatisfy { $0.validator == nil })
        bench.source.remove(1)
        bench.source.remove(2)
        server.requests = []
        try bench.add([(3, .http("http://a/turns", every: .seconds(1), until: until))])
        bench.loop.pass(.seconds(10))
        #expect(server.requests.count > 4)
        for request in server.requests { #expect((request.validator == nil) == (request.status == 200)) }
        bench.end()
    }
}

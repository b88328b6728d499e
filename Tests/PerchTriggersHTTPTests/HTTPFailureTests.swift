// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchTriggersHTTP
import PerchTriggersTestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct HTTPFailureTests {
    @Test(
        "Whatever a server does, the wait goes on and tells what the last answer was",
        arguments: [
            ("/status/500", "500, condition not met"), ("/hang", "timed out after 300ms"),
            ("/reset", "the connection broke"), ("/huge", "200, body larger than 1048576 bytes"),
            ("/circle/a", "redirected in a circle"), ("/deep/0", "redirected more than 10 times"),
            ("/partial", "the connection was closed in the middle of the body"),
            ("/empty", "the connection was closed without an answer"), ("/ftp", "is not http or https"),
        ])
    func failures(path: String, words: String) async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([
            try httpWait(1, .http(server.url(path), every: .milliseconds(100), timeout: .milliseconds(300)))
        ])
        try await bench.untilResult(1, words)
        try await bench.untilSource("asked again") { ($0.explain(1)?.probe?.probes ?? 0) >= 2 }
        #expect(bench.fired.isEmpty)
        #expect(try await bench.explanation(of: 1).contains(words))
        #expect(
            bench.reports.contains { report in
                if case .probed(let state) = report { state.lastResult.contains(words) } else { false }
            })
    }

    @Test("No server, no name and no TLS are told apart")
    func noServer() async throws {
        let server = try ScriptedServer()
        let closed = try ScriptedServer()
        closed.close()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([
            try httpWait(1, .http(closed.url("/"), every: .milliseconds(100))),
            try httpWait(2, .http("http://no-such-host.invalid/", every: .milliseconds(100))),
            try httpWait(3, .http("https://127.0.0.1:\(server.port)/", every: .milliseconds(100))),
        ])
        try await bench.untilResult(1, "connection refused")
        try await bench.untilResult(2, "the host's name is not known")
        try await bench.untilResult(3, "TLS: ")
    }

    @Test("After failures probes are further apart; the first good answer ends that")
    func backOff() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench { $0.longestBackOff = .milliseconds(400) }
        defer { bench.end() }
        let started = ThreadReactor.wallClock()
        try await bench.add([try httpWait(1, .http(server.url("/after/5/500"), every: .milliseconds(100)))])
        try await bench.untilFired(1)
        // 0.1 + 0.2 + 0.4 + 0.4 s, less a tenth.
        #expect(ThreadReactor.wallClock() - started >= 990_000)
        #expect(server.requests.count == 5)
    }

    @Test("A server that names a time is not asked before it")
    func retryAfter() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        let started = ThreadReactor.wallClock()
        try await bench.add([try httpWait(1, .http(server.url("/retry"), every: .milliseconds(100)))])
        try await bench.untilFired(1)
        #expect(ThreadReactor.wallClock() - started >= 2_000_000)
        #expect(server.requests.count == 2)
    }

    @Test("A server that names a time beyond all counting, and a wait that asks once in a year, harm nobody")
    func farTimes() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([
            try httpWait(1, .http(server.url("/late/9223372036854775807"), every: .milliseconds(100))),
            try httpWait(2, .http(server.url("/late/99999999999999"), every: .milliseconds(100))),
            try httpWait(
                3, .http(server.url("/status/404"), every: .seconds(366 * 86_400), timeout: .seconds(366 * 86_400))),
            try httpWait(4, .http(server.url("/status/500"), every: .seconds(365 * 86_400))),
        ])
        for waitID in [1, 2] as [Int64] { try await bench.untilResult(waitID, "503") }
        try await bench.untilResult(3, "404")
        try await bench.untilResult(4, "500")
        try await bench.add([
            try httpWait(
                5, .http(server.url("/status/404"), every: .seconds(366 * 86_400), timeout: .seconds(366 * 86_400)))
        ])
        let next = try await bench.on { source, loop in
            (source.explain(1)?.probe?.nextProbeAt?.microseconds ?? 0) - loop.now
        }
        // What `longestRetryAfter` allows.
        #expect(next > 3_500_000_000 && next <= 3_600_000_000)
    }

    @Test("A class of answer is reported when it changes, not each time")
    func reports() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await httpBench()
        defer { bench.end() }
        try await bench.add([try httpWait(1, .http(server.url("/after/5/404"), every: .milliseconds(100)))])
        try await bench.untilFired(1)
        let results = bench.reports.compactMap { report -> String? in
            if case .probed(let state) = report { state.lastResult } else { nil }
        }
        #expect(results == ["404, condition not met", "200, condition met"])
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchReactor
import PerchSDK
import PerchTriggersHTTP
import PerchTriggersTestSupport
import Testing

/// The ways a request goes, and the secrets that go along.
@Suite(.timeLimit(.minutes(1)))
struct HTTPOptionsTests {
    private static let value = "v3ry-s3cret"

    private func bench() async throws -> HTTPBench {
        try await SourceBench { loop, report in
            HTTPSource(
                loop: loop, environment: { $0 == "PERCH_SECRET_API_KEY" ? Self.value : nil }, report: report)
        }
    }

    @Test("A secret is sent and stands nowhere else: not in definition, target, explanation, report or failure")
    func secrets() async throws {
        let server = try ScriptedServer()
        defer { server.close() }
        let bench = try await bench()
        defer { bench.end() }
        let headers: [String: HTTPHeaderValue] = ["Authorization": .secret("API_KEY", prefix: "Bearer ")]
        let waits = try ["/status/404", "/status/500", "/reset", "/partial", "/circle/a", "/ftp", "/elsewhere"]
            .enumerated().map { number, path in
                try httpWait(
                    Int64(number),
                    .http(server.url(path), every: .milliseconds(100), until: .status(299), headers: headers))
            }
        let missing = try httpWait(100, .http(server.url("/"), headers: ["X-Key": .secret("NOT_THERE")]))
        try await bench.add(waits + [missing])
        var told = (waits + [missing]).map { "\($0.definition.text) \($0.target)" }.joined()
        for wait in waits {
            try await bench.untilSource("asked twice") { ($0.explain(wait.waitID)?.probe?.probes ?? 0) >= 2 }
            told += try await bench.explanation(of: wait.waitID)
        }
        told += "\(bench.reports)"
        #expect(!told.contains(Self.value))
        #expect(told.contains(#""secret":"API_KEY""#) || told.contains(#""secret": "API_KEY""#))
        #expect(told.contains("needs the environment variable PERCH_SECRET_NOT_THERE, which is not set"))
        #expect(server.requests(to: "/status/404").first?.headers["authorization"] == "Bearer \(Self.value)")
        #expect(
            server.requests(to: "/status/200").allSatisfy { $0.headers["authorization"] == nil })
    }

    @Test("Names of secrets are names")
    func names() {
        for name in ["", "a b", "A=B", "ä"] {
            #expect(!HTTPTrigger(url: "http://a/", headers: ["X": .secret(name)]).problems.isEmpty)
        }
        #expect(HTTPTrigger(url: "http://a/", headers: ["X": .secret("API_KEY_2")]).problems.isEmpty)
    }

    @Test("A proxy gets the request, a wait with another way has a probe of its own, and both say so")
    func proxy() async throws {
        let proxy = try ScriptedServer()
        defer { proxy.close() }
        let bench = try await bench()
        defer { bench.end() }
        let (url, way) = ("http://somewhere.invalid/status/200", proxy.url(""))
        try await bench.add([
            try httpWait(1, .http(url, every: .milliseconds(100), until: .status(299), proxy: way)),
            try httpWait(2, .http(url, every: .milliseconds(100), until: .status(299))),
        ])
        try await bench.untilSource("through the proxy") { ($0.explain(1)?.probe?.probes ?? 0) >= 2 }
        try await bench.untilResult(2, "the host's name is not known")
        #expect(proxy.requests.allSatisfy { $0.path == url })
        #expect(try await bench.gauge("http_probes") == 2)
        #expect(try await bench.explanation(of: 1).contains("It goes by the proxy \(way)."))
        // That nobody is met on the one way says nothing about the other.
        #expect(!(try await bench.explanation(of: 1)).contains("has not been reached"))
        #expect(try await bench.explanation(of: 2).contains("The host has not been reached since"))
    }

    @Test("Proxies and authorities that cannot be meant are problems, and show no password")
    func problems() {
        for proxy in ["nowhere", "ftp://a:1", "http://me:s3cret@a:1", "http://", "socks5://me@a"] {
            let problems = HTTPTrigger(url: "http://a/", proxy: proxy).problems.joined()
            #expect(problems.contains("proxy"), "\(proxy)")
            #expect(!problems.contains("s3cret"))
        }
        #expect(HTTPTrigger(url: "http://a/", proxy: "socks5h://a:1080", ca: "/etc/ca.pem").problems.isEmpty)
        #expect(!HTTPTrigger(url: "http://a/", ca: "ca.pem").problems.isEmpty)
        #expect(!HTTPTrigger(url: "http://a/", every: .seconds(10), slowest: .seconds(5)).problems.isEmpty)
    }

    @Test("The options survive being stored")
    func coding() throws {
        let trigger: HTTPTrigger = .http(
            "https://a/", period: .adaptive(from: .seconds(1), to: .seconds(60)),
            headers: ["X": .secret("A", prefix: "b")],
            proxy: "http://p:1", ca: "/ca.pem")
        #expect(try TriggerSpec(trigger).trigger(as: HTTPTrigger.self) == trigger)
        #expect(trigger.period == .adaptive(from: .seconds(1), to: .seconds(60)))
    }

    @Test("A file of authorities vouches for a server that the machine does not know; one that cannot be read is named")
    func authorities() async throws {
        guard TLSServer.isThere else { return }
        let server = try TLSServer()
        defer { server.stop() }
        let bench = try await bench()
        defer { bench.end() }
        let url = "https://127.0.0.1:\(server.port)/"
        try await bench.add([
            try httpWait(1, .http(url, every: .milliseconds(100), ca: server.certificate)),
            try httpWait(2, .http(url, every: .milliseconds(100), until: .status(299))),
            try httpWait(3, .http(url, every: .milliseconds(100), ca: server.certificate + ".none.pem")),
        ])
        try await bench.untilFired(1)
        #expect(bench.fired == [1])
        try await bench.untilResult(2, "TLS: ")
        try await bench.untilResult(3, "none.pem")
    }
}

// SPDX-License-Identifier: Apache-2.0

import Logging
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Connections to the API", .timeLimit(.minutes(1)))
struct ConnectionTests {
    private let announced =
        "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 10\r\n"

    @Test("Requests on one connection are answered in order, also where they come all at once")
    func pipelined() async throws {
        let bench = try await APIBench()
        let client = try bench.client()
        let requests = (1...50).map { WebClient.text("POST /events/a?id=\($0)", json, "\($0)") }
        await client.send(requests.joined())
        for number in 1...50 { #expect(await client.answer()?.json["seq"] == .integer(Int64(number))) }
        #expect(await client.request("GET /health")?.status == 200)
        try await bench.end()
    }

    @Test("What a refused sender still sends is never taken for a request")
    func smuggled() async throws {
        let bench = try await APIBench()
        let client = try bench.client()
        await client.send(WebClient.text("POST /nowhere", json, "1") + WebClient.text("POST /events/a", json, "1"))
        #expect(await client.answer()?.status == 404)
        #expect(await client.isEnded())
        let closing = try bench.client()
        await closing.send(
            WebClient.text("POST /events/a", json.merging(["Connection": "keep-alive, Close"]) { $1 }, "1")
                + WebClient.text("POST /events/a", json, "2"))
        let answer = await closing.answer()
        #expect(answer?.status == 202 && answer?.fields["connection"] == "close")
        #expect(await closing.isEnded())
        #expect(try await bench.events().map(\.payload) == [1])
        try await bench.end()
    }

    @Test("HTTP/1.0, a sender who ends his side, and one who asks whether to go on, are served")
    func manners() async throws {
        let bench = try await APIBench()
        let old = try bench.client()
        await old.send("POST /events/a HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n1")
        #expect(await old.answer()?.status == 202)
        #expect(await old.isEnded())
        let ended = try bench.client()
        await ended.send(WebClient.text("POST /events/a", json, "2"))
        ended.endSending()
        #expect(await ended.answer()?.status == 202)
        #expect(await ended.isEnded())
        let asking = try bench.client()
        await asking.send(announced + "Expect: 100-continue\r\n\r\n")
        #expect(await asking.answer(hasBody: false)?.status == 100)
        await asking.send("         3")
        #expect(await asking.answer()?.status == 202)
        let chunked = try bench.client()
        await chunked.send(
            "POST /events/a HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n0\r\n\r\n"
        )
        #expect(await chunked.answer()?.status == 202)
        #expect(try await bench.events().map(\.payload) == [1, 2, 3, 4])
        try await bench.end()
    }

    @Test("A request that is cut off is not taken, however much of it is there")
    func cutOff() async throws {
        let bench = try await APIBench()
        for text in [announced + "\r\n", announced + "\r\n123", announced, "POST", ""] {
            let client = try bench.client()
            await client.send(text)
            client.endSending()
            if let answer = await client.answer() { #expect(answer.status == 400, "\(answer)") }
        }
        #expect(try await bench.events().isEmpty)
        try await bench.end()
    }

    @Test("A sender who says nothing, or his head too slowly, is hung up on; one whose body does not come is told so")
    func slow() async throws {
        let bench = try await APIBench {
            $0.headTime = TimeSpan(microseconds: 100_000)
            $0.bodyTime = TimeSpan(microseconds: 100_000)
        }
        let silent = try bench.client()
        #expect(await silent.isEnded())
        let dripping = try bench.client()
        await dripping.send("POST /events/a HTTP/1.1\r\nX-A: 1\r\nX-B")
        #expect(await dripping.isEnded())
        let stuck = try bench.client()
        await stuck.send(announced + "\r\n123")
        let answer = await stuck.answer()
        #expect(answer?.status == 408 && answer?.isError == true && answer?.fields["connection"] == "close")
        #expect(await stuck.isEnded())
        let idle = try bench.client()
        #expect(await idle.request("POST /events/a", json, "1")?.status == 202)
        #expect(await idle.isEnded())
        #expect(try await bench.events().count == 1)
        try await bench.end()
    }

    @Test("Senders who open connections without a word, or stop in the middle, keep nobody out: they give way")
    func crowd() async throws {
        let bench = try await APIBench { $0.connections = 8 }
        let silent = try (0..<50).map { _ in try bench.client() }
        var stuck: [WebClient] = []
        for _ in 0..<50 {
            let client = try bench.client()
            await client.send(announced + "Expect: 100-continue\r\n\r\n")
            #expect(await client.answer(hasBody: false)?.status == 100)
            stuck.append(client)
        }
        let good = try bench.client()
        for number in 1...20 { #expect(await good.request("POST /events/a", json, "\(number)")?.status == 202) }
        for client in silent { #expect(await client.isEnded()) }
        // The one that came last is still there, and is served when it goes on.
        let last = try #require(stuck.last)
        await last.send("         1")
        #expect(await last.answer()?.status == 202)
        let answer = await stuck[0].answer()
        #expect(
            answer?.status == 503 && answer?.isError == true && answer?.body.contains("too many connections") == true)
        try await bench.end()
    }

    @Test("A server that stops answers what is under way, hangs up on the idle, and takes no connection any more")
    func stop() async throws {
        let bench = try await APIBench()
        let idle = try bench.client()
        #expect(await idle.request("GET /health")?.status == 200)
        let half = try bench.client()
        await half.send(announced + "Expect: 100-continue\r\n\r\n")
        #expect(await half.answer(hasBody: false)?.status == 100)
        async let stopped: Void = bench.server.stop()
        #expect(await idle.isEnded())
        await half.send("         1")
        let answer = await half.answer()
        #expect(answer?.status == 202 && answer?.fields["connection"] == "close")
        #expect(await half.isEnded())
        await stopped
        #expect(throws: RunningEngineError.self) { try bench.client() }
        #expect(try await bench.events().count == 1)
        try await bench.end()
    }

    @Test("A server that stops does not wait for a request that does not come")
    func stopWithStuck() async throws {
        let bench = try await APIBench { $0.stopTime = TimeSpan(microseconds: 100_000) }
        let stuck = try bench.client()
        await stuck.send(announced + "Expect: 100-continue\r\n\r\n")
        #expect(await stuck.answer(hasBody: false)?.status == 100)
        await bench.server.stop()
        #expect(await stuck.answer()?.status == 408)
        try await bench.end()
    }

    @Test("An address that is taken is refused by name, and a server can be started again where another one stood")
    func taken() async throws {
        let bench = try await APIBench()
        func server() throws -> APIServer {
            let configuration = try APIServer.Configuration(
                address: try ListenAddress(parsing: "127.0.0.1:\(bench.port)"), credentials: try Credentials())
            return APIServer(configuration, metastore: bench.metastore, log: .init(label: "x") { _ in bench.log })
        }
        let error = await #expect(throws: PerchError.self) { try await server().start() }
        #expect(
            error?.message.contains("127.0.0.1:\(bench.port): Address already in use") == true,
            "\(String(describing: error))")
        #expect(await (try bench.client()).request("POST /events/a", json, "1")?.status == 202)
        await bench.server.stop()
        let next = try server()
        #expect(try await next.start().port == bench.port)
        await next.stop()
        try await bench.end()
    }

    @Test("Where a connection stands decides what its deadline means")
    func states() {
        var limits = APILimits()
        limits.headTime = .seconds(1)
        limits.bodyTime = .seconds(2)
        limits.answerTime = .seconds(3)
        var state = ConnectionState(limits: limits, now: 0)
        #expect(state.expiry(now: 999_999) == .wait && state.expiry(now: 1_000_000) == .close)
        state.begin(closes: false, now: 500_000)
        #expect(state.expiry(now: 2_499_999) == .wait && state.expiry(now: 2_500_000) == .refuse)
        state.end(now: 600_000)
        #expect(state.expiry(now: 3_599_999) == .wait && state.expiry(now: 3_600_000) == .close)
        #expect(state.answered(now: 700_000) && state.phase == .idle && state.deadline == 1_700_000)
        var idle = state
        let isUnderWay = idle.finish(now: 700_000, within: nil)
        #expect(!isUnderWay)
        state.begin(closes: false, now: 800_000)
        #expect(state.finish(now: 800_000, within: TimeSpan(microseconds: 1_000)) && state.deadline == 801_000)
        state.end(now: 801_000)
        #expect(!state.answered(now: 900_000) && state.phase == .lingering && state.expiry(now: 1_900_000) == .close)
    }
}

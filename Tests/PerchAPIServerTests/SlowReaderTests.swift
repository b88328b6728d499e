// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Senders who do not take their answers", .timeLimit(.minutes(1)))
struct SlowReaderTests {
    /// More than the kernel takes off a server's hands.
    private static let long = String(repeating: "x", count: 24 << 20)

    private func bench(_ change: @escaping (inout APILimits) -> Void) async throws -> APIBench {
        try await APIBench(metrics: Self.long, change)
    }

    /// One who asks for much, as often as that, and takes nothing.
    private func slow(_ bench: APIBench, times: Int = 1) async throws -> WebClient {
        let client = try bench.client()
        await client.send(String(repeating: WebClient.text("GET /metrics"), count: times))
        return client
    }

    @Test("One who takes nothing is hung up on, however much he asks for at once, and meanwhile others are served")
    func ended() async throws {
        let bench = try await bench {
            $0.answerTime = TimeSpan(microseconds: 1_000_000)
            $0.headTime = TimeSpan(microseconds: 3_000_000)
        }
        let one = try await slow(bench)
        let many = try await slow(bench, times: 50)
        for number in 1...20 {
            #expect(try await bench.client().request("POST /events/a", json, "\(number)")?.status == 202)
        }
        // Nothing is heard of this one, which tells that the time of the others is over.
        #expect(await (try bench.client()).isEnded())
        #expect(await one.answer() == nil)
        #expect(await many.answer() == nil)
        #expect(try await bench.client().request("POST /events/a", json, "21")?.status == 202)
        try await bench.end()
    }

    @Test("Senders who leave their answers lying keep nobody out: for a newcomer the first of them gives way")
    func crowd() async throws {
        let bench = try await bench { $0.connections = 4 }
        var lying: [WebClient] = []
        for _ in 0..<4 {
            let client = try await slow(bench)
            // Its answer has begun.
            #expect(await client.answer(hasBody: false)?.status == 200)
            lying.append(client)
        }
        for number in 1...3 {
            #expect(try await bench.client().request("POST /events/a", json, "\(number)")?.status == 202)
        }
        #expect(await lying[0].rest() < Self.long.utf8.count)
        try await bench.end()
    }

    @Test("Answers that nobody takes fill no more memory than they may: the first is given up for the next")
    func memory() async throws {
        let bench = try await bench { $0.untakenBytes = 60 << 20 }
        var lying: [WebClient] = []
        for _ in 0..<5 {
            let client = try await slow(bench)
            #expect(await client.answer(hasBody: false)?.status == 200)
            lying.append(client)
        }
        for client in lying.prefix(2) { #expect(await client.rest() < Self.long.utf8.count) }
        // One that is taken comes whole.
        let taken = try #require(await bench.client().request("GET /metrics"))
        #expect(taken.status == 200 && taken.body.utf8.count == Self.long.utf8.count)
        try await bench.end()
    }

    @Test("Of news the time runs anew with each portion that goes out, and ends the stream when none does")
    func news() {
        var limits = APILimits()
        limits.answerTime = .seconds(3)
        var state = ConnectionState(limits: limits, now: 0)
        state.begin(closes: false, now: 0)
        state.end(now: 0)
        state.stream(now: 1_000_000)
        #expect(state.expiry(now: 3_999_999) == .wait && state.expiry(now: 4_000_000) == .close)
        state.streamed(now: 3_500_000)
        #expect(state.expiry(now: 6_499_999) == .wait && state.expiry(now: 6_500_000) == .close)
    }
}

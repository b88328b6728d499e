// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchAPIServer
@testable import PerchMetastore

/// A command that says the same again and again, or nothing, until nobody listens.
private final class EndlessCommand: StartedCommand, CommandDesk {
    private struct State {
        var hasEnded = false
        var waiting: CheckedContinuation<Void, Never>?
        /// Who waits for a silence to be over.
        var silent: CheckedContinuation<Void, Never>?
        var isOver = false
    }

    private let news: CommandNews
    private let state = Mutex(State())

    init(_ news: CommandNews) { self.news = news }

    func right(toGive arguments: [String]) throws -> APIRight { .viewer }
    func start(_ command: CommandCall) async throws -> any StartedCommand { self }

    func next(within span: TimeSpan) async -> CommandNews {
        guard news == .silence else { return news }
        await withCheckedContinuation { continuation in
            state.withLock { state in
                if state.isOver || state.hasEnded { continuation.resume() } else { state.silent = continuation }
                state.isOver = false
            }
        }
        return news
    }

    /// The silence has lasted for as long as it may.
    func endSilence() {
        state.withLock { state in
            state.isOver = state.silent == nil
            state.silent?.resume()
            state.silent = nil
        }
    }

    func abandon() {
        state.withLock { state in
            state.hasEnded = true
            state.waiting?.resume()
            state.waiting = nil
            state.silent?.resume()
            state.silent = nil
        }
    }

    /// Returns when nobody listens any more.
    func end() async {
        await withCheckedContinuation { continuation in
            state.withLock { state in
                if state.hasEnded { continuation.resume() } else { state.waiting = continuation }
            }
        }
    }
}

@Suite("Commands that go on, over HTTP", .timeLimit(.minutes(1)))
struct CommandFeedTests {
    private static let asked = WebClient.text(
        "POST /api/v2/commands",
        ["Content-Type": "application/json", "Authorization": "Bearer t"], #"{"arguments": ["deferred", "watch"]}"#)

    private func bench(
        _ command: EndlessCommand, tokens: [String] = ["t admin"], _ change: (inout APILimits) -> Void = { _ in }
    ) async throws -> APIBench {
        var surroundings = APISurroundings()
        surroundings.commands = command
        return try await APIBench(tokens: tokens, surroundings: surroundings, change)
    }

    @Test("One whose reader goes away ends")
    func gone() async throws {
        let command = EndlessCommand(.output("a"))
        let bench = try await bench(command)
        var client: WebClient? = try bench.client()
        await client?.send(Self.asked)
        #expect(await client?.answer(hasBody: false)?.status == 200)
        client = nil
        await command.end()
        try await bench.end()
    }

    @Test("One whose reader takes nothing ends, once there is no room for what it says")
    func deaf() async throws {
        let command = EndlessCommand(.output(String(repeating: "x", count: 64 << 10)))
        let bench = try await bench(command) { $0.answerTime = TimeSpan(microseconds: 500_000) }
        let client = try bench.client()
        await client.send(Self.asked)
        await command.end()
        // It has not gone away by itself.
        #expect(await client.rest() > 0)
        try await bench.end()
    }

    @Test("One whose reader may not any more is ended, and told why")
    func revoked() async throws {
        let command = EndlessCommand(.silence)
        let bench = try await bench(command, tokens: [])
        let secret = try await bench.makeToken("ci", AccessRights(.viewer))
        let other = try await bench.makeToken("boss", AccessRights(.admin))
        let client = try bench.client()
        await client.send(Self.asked.replacing("Bearer t", with: "Bearer \(secret)"))
        #expect(await client.answer(hasBody: false)?.status == 200)
        let revoked = try await bench.send("DELETE /api/v2/tokens/ci", ["Authorization": "Bearer \(other)"])
        #expect(revoked.status == 204, "\(revoked)")
        command.endSilence()
        let said = try #require(await client.text(until: "the command was ended"))
        #expect(said.contains(#""failure":""#))
        await command.end()
        try await bench.end()
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchReactor
import PerchSDK
import PerchTriggersSocket
import PerchTriggersTestSupport
import Testing

typealias SocketBench = SourceBench<SocketSource>

@Suite(.timeLimit(.minutes(1)))
struct SocketSourceTests {
    private func bench(timeout: Duration = .seconds(10)) async throws -> SocketBench {
        try await SourceBench { loop, report in
            var options = SocketSource.Options()
            options.timeout = timeout
            return SocketSource(loop: loop, options: options, report: report)
        }
    }

    private func wait(_ id: Int64, _ trigger: SocketTrigger) throws -> ArmedWait {
        let spec = try TriggerSpec(trigger)
        return ArmedWait(
            waitID: id, kind: spec.kind, target: spec.target, definition: spec.definition,
            since: Timestamp(microseconds: 0))
    }

    private func untilResult(_ bench: SocketBench, _ waitID: Int64, _ words: String) async throws {
        try await bench.untilSource("the result '\(words)'") { source in
            source.explain(waitID)?.probe?.lastResult.contains(words) == true
        }
    }

    private func event(_ bench: SocketBench, _ waitID: Int64) throws -> SocketEvent {
        try #require(try bench.payload(of: waitID)?.decode(SocketEvent.self))
    }

    private func freshPath() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("s-\(UUID().uuidString.prefix(13))").path
    }

    @Test("A port that refuses is asked until its listener comes up; the connection is closed at once")
    func comesUpLater() async throws {
        let socket = try TestSocket()
        let bench = try await bench()
        defer { bench.end() }
        let port = socket.port
        try await bench.add([
            try wait(1, .port("127.0.0.1", port, every: .milliseconds(100))),
            try wait(2, .port("localhost", port, every: .milliseconds(100))),
        ])
        try await untilResult(bench, 1, "connection refused by 127.0.0.1:\(port)")
        try await untilResult(bench, 2, "connection refused by ")
        #expect(bench.fired.isEmpty)
        socket.listens()
        try await bench.untilFired(2)
        for id in [1, 2] as [Int64] {
            let event = try event(bench, id)
            #expect(event.state == .open)
            #expect(event.address == "127.0.0.1:\(port)")
            #expect(abs(event.at.microseconds - ThreadReactor.wallClock()) < 60_000_000)
        }
        #expect(socket.wasClosedByClient())
        #expect(socket.wasClosedByClient())
    }

    @Test("Waits for open and for closed share a probe; when the listener goes the other one fires")
    func closes() async throws {
        let socket = try TestSocket()
        socket.listens()
        let bench = try await bench()
        defer { bench.end() }
        let port = socket.port
        try await bench.add([
            try wait(1, .port("127.0.0.1", port, until: .closed, every: .milliseconds(100))),
            try wait(2, .port("127.0.0.1", port, every: .hours(1))),
        ])
        try await bench.untilFired(1)
        #expect(bench.fired == [2])
        try await untilResult(bench, 1, "connection accepted by 127.0.0.1:\(port)")
        socket.close()
        try await bench.untilFired(2)
        #expect(try event(bench, 1).state == .closed)
        #expect(try event(bench, 1).address == "127.0.0.1:\(port)")
    }

    @Test("A port that hangs is neither open nor closed, and is not waited for longer than the timeout")
    func hangs() async throws {
        let socket = try TestSocket()
        socket.hangs()
        let bench = try await bench(timeout: .milliseconds(200))
        defer { bench.end() }
        let port = socket.port
        try await bench.add([
            try wait(1, .port("127.0.0.1", port, every: .milliseconds(100))),
            try wait(2, .port("127.0.0.1", port, until: .closed, every: .milliseconds(100))),
        ])
        try await untilResult(bench, 1, "no answer from 127.0.0.1:\(port) within 200ms")
        try await bench.untilSource("a second failure") { source in
            source.explain(1)?.sentences.contains { $0.hasPrefix("It has failed 2 times in a row") } == true
        }
        let sentences = try await bench.on { source, _ in source.explain(2)?.sentences ?? [] }
        #expect(
            sentences.contains(
                "That does not show that nobody listens: only a refusal or a missing socket file does."))
        #expect(bench.fired.isEmpty)
    }

    @Test("A Unix socket: no file, a file on which nobody listens, a listener, a full queue, gone again")
    func unixSockets() async throws {
        let path = freshPath()
        let bench = try await bench()
        defer { bench.end() }
        try await bench.add([try wait(1, .unixSocket(path, every: .milliseconds(100)))])
        try await untilResult(bench, 1, "there is no socket \(path)")
        let socket = try TestSocket(path: path)
        try await untilResult(bench, 1, "connection refused by \(path)")
        socket.listens()
        try await bench.untilFired(1)
        #expect(try event(bench, 1).address == path)
        #expect(socket.wasClosedByClient())
        socket.hangs()
        try await bench.add([try wait(2, .unixSocket(path, until: .closed, every: .milliseconds(100)))])
        try await untilResult(bench, 2, "its queue is full")
        #expect(bench.fired == [1])
        socket.close()
        try await bench.untilFired(2)
        #expect(try event(bench, 2).state == .closed)
    }

    @Test("A name that nobody has is explained, and does not end the wait")
    func unknownName() async throws {
        let bench = try await bench(timeout: .seconds(1))
        defer { bench.end() }
        try await bench.add([try wait(1, .port("nothing.invalid", 80, every: .milliseconds(100)))])
        try await bench.untilSource("an attempt") { $0.explain(1)?.probe?.probes ?? 0 > 0 }
        let result = try await bench.on { source, _ in source.explain(1)?.probe?.lastResult ?? "" }
        // Where there is no network the name server may be silent.
        #expect(
            result.contains("the name of nothing.invalid:80 cannot be looked up")
                || result.contains("no answer from nothing.invalid:80"))
        #expect(bench.reports.allSatisfy { if case .probed = $0 { true } else { false } })
    }

    @Test("A wait that cannot be read ends with the reason, the others go on")
    func broken() async throws {
        let bench = try await bench()
        defer { bench.end() }
        var bad = try wait(1, .port("db", 5432))
        bad.definition = .object(["host": .string("not a host"), "port": .integer(5_432)])
        try await bench.add([bad])
        try await bench.until("broken") { reports in
            reports.contains { report in
                if case .broken(1, let message) = report { message.contains("'not a host' is no name") } else { false }
            }
        }
    }
}

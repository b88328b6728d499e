// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchTriggerer

/// A client of a socket in a home, as any program would be one. It blocks a thread of its own, never the test's.
// What is not constant is touched on `queue` alone.
final class LineClient: @unchecked Sendable {
    private let descriptor: Int32
    private let queue = DispatchQueue(label: "client")
    private let sending = DispatchQueue(label: "client-sending")
    private var pending: [UInt8] = []

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(result == 0, "cannot connect to \(path)")
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Sends in the order of calls; returns before it is done.
    func send(_ text: String) {
        sending.async { [descriptor] in
            var rest = ArraySlice(text.utf8)
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return }
                rest = rest.dropFirst(count)
            }
        }
    }

    func endSending() { sending.async { [descriptor] in shutdown(descriptor, Int32(SHUT_WR)) } }

    /// The next line; nil at the end, or where none comes.
    func line() async -> String? {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.nextLine()) }
        }
    }

    private func nextLine() -> String? {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                defer { pending.removeSubrange(...end) }
                return String(decoding: pending[..<end], as: UTF8.self)
            }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { return nil }
            pending += chunk[..<count]
        }
    }

    func json() async throws -> JSONValue { try JSONValue(parsing: try #require(await line())) }

    /// Hangs up; what is being sent fails.
    func close() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        sending.sync {}
        Glibc.close(descriptor)
    }
}

@Suite("The sockets of the home", .serialized, .timeLimit(.minutes(1)))
struct SocketTests {
    private func events(_ bench: TriggererBench) async throws -> EventSocket {
        let socket = EventSocket(
            path: bench.home + "/events.sock", triggerer: bench.triggerer, log: TriggererBench.log)
        try await socket.start()
        return socket
    }

    @Test("Each line is answered in order, once its event is durable; a bad one does not end the connection")
    func answers() async throws {
        let bench = try TriggererBench()
        let socket = try await events(bench)
        let client = try LineClient(bench.home + "/events.sock")
        client.send(
            """
            {"name": "a", "id": "1", "payload": {"n": 1}}
            {"name": "a", "id": "1"}
            {"name": 7}
            nonsense

            {"name": "a", "colour": "red"}
            {"name": "", "id": "x"}
            {"name": "b", "key": "k"
            """ + "}\n")
        #expect(await client.line() == #"{"duplicate":false,"id":"1","seq":1}"#)
        #expect(await client.line() == #"{"duplicate":true,"id":"1","seq":1}"#)
        #expect(await client.line()?.contains("'name' is no string") == true)
        #expect(await client.line()?.hasPrefix(#"{"error":"#) == true)
        #expect(await client.line()?.contains("no field 'colour'") == true)
        #expect(await client.line()?.contains("1 to 500 bytes") == true)
        #expect(try await client.json()["seq"] == 2)
        let stored = try await bench.metastore.read { try $0.events(after: 0, limit: 10) }
        #expect(stored.map(\.name) == ["a", "b"])
        #expect(stored.first?.payload == ["n": 1])
        client.close()
        await socket.stop()
        try await bench.end()
    }

    @Test(
        "A line that is too long is passed over; a last line needs no end; the connection closes when all is answered")
    func longLines() async throws {
        let bench = try TriggererBench()
        let socket = try await events(bench)
        let client = try LineClient(bench.home + "/events.sock")
        client.send(String(repeating: "x", count: 3 << 20) + "\n{\"name\":\"a\"}\n{\"name\":\"last\"}")
        client.endSending()
        #expect(await client.line()?.contains("longer than 1 MiB") == true)
        #expect(try await client.json()["seq"] == 1)
        #expect(try await client.json()["seq"] == 2)
        #expect(await client.line() == nil)
        client.close()
        await socket.stop()
        try await bench.end()
    }

    @Test("Fifty thousand events go in through one connection, and none is lost or out of order")
    func many() async throws {
        let bench = try TriggererBench()
        let socket = try await events(bench)
        let client = try LineClient(bench.home + "/events.sock")
        let count = 50_000
        let began = ContinuousClock.now
        for start in stride(from: 0, to: count, by: 1_000) {
            client.send(
                (start..<start + 1_000).map { "{\"name\":\"order\",\"key\":\"\($0)\",\"payload\":{\"n\":\($0)}}\n" }
                    .joined())
        }
        var last: Int64 = 0
        for number in 1...count {
            guard let line = await client.line() else { break }
            if number == count, case .integer(let seq)? = try JSONValue(parsing: line)["seq"] { last = seq }
        }
        print("events through the socket: \(count) in \(ContinuousClock.now - began)")
        #expect(last == Int64(count))
        client.close()
        await socket.stop()
        try await bench.end()
    }

    @Test("Who never reads its answers, or hangs up at once, does not hold up others")
    func slowClients() async throws {
        let bench = try TriggererBench()
        let socket = try await events(bench)
        let deaf = try LineClient(bench.home + "/events.sock")
        let line = "{\"name\":\"x\",\"payload\":\"\(String(repeating: "y", count: 200))\"}\n"
        deaf.send(String(repeating: line, count: 50_000))
        for _ in 0..<20 {
            let gone = try LineClient(bench.home + "/events.sock")
            gone.send("{\"name\":\"gone\"}\n")
            gone.endSending()
            #expect(await gone.line() != nil)
            gone.close()
        }
        let client = try LineClient(bench.home + "/events.sock")
        for number in 0..<100 {
            client.send("{\"name\":\"a\",\"id\":\"\(number)\"}\n")
            #expect(try await client.json()["id"] == .string("\(number)"))
        }
        let gone = try await bench.metastore.read {
            try $0.events(name: "gone", key: nil, after: 0, limit: 100).count
        }
        #expect(gone == 20)
        deaf.close()
        client.close()
        await socket.stop()
        try await bench.end()
    }

    @Test("A stale socket is replaced, one with a listener is refused, and what is no socket is left alone")
    func stale() async throws {
        let bench = try TriggererBench()
        let path = bench.home + "/events.sock"
        close(try UnixSocket.listen(at: path))
        let socket = try await events(bench)
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let error = #expect(throws: PerchError.self) { try UnixSocket.listen(at: path) }
        #expect(error?.code == .conflict)
        await socket.stop()
        #expect(lstat(path, &status) != 0)
        #expect(FileManager.default.createFile(atPath: path, contents: Data("mine".utf8)))
        #expect(throws: PerchError.self) { try UnixSocket.listen(at: path) }
        #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
        try await bench.end()
    }

    @Test("A wait is explained and the triggerer sums itself up at its own socket")
    func inspection() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        let socket = InspectionSocket(
            path: bench.home + "/inspect.sock", triggerer: bench.triggerer, log: TriggererBench.log)
        try await socket.start()
        let other = try await bench.run("other", [TriggererBench.time(after: TimeSpan(microseconds: 1_000))])
        _ = try await bench.run("d", [TriggererBench.event("go", key: "k")])
        _ = try await bench.states(of: other, dagID: "other")
        let waitID = try #require(try await bench.metastore.read { try $0.waits(WaitFilter()).last?.waitID })
        try await bench.emit("nobody")
        let client = try LineClient(bench.home + "/inspect.sock")
        var explanation: WaitExplanation?
        while explanation == nil {
            client.send("{\"explain\": \(waitID)}\n")
            explanation = try await client.json()["explanation"]?.decode(WaitExplanation?.self)
        }
        #expect(explanation?.sentences.first?.contains("'go'") == true)
        client.send("{\"explain\": 999}\n{\"summary\": true}\n{\"fire\": 1}\n")
        #expect(try await client.json()["explanation"] == .null)
        let summary = try await client.json()["summary"]?.decode(TriggererSummary.self)
        #expect(summary?.waits == ["event": 1, "file": 0, "time": 0])
        #expect(summary?.fired == 1)
        #expect(try await client.json()["error"] != nil)
        client.close()
        await socket.stop()
        try await bench.end()
    }
}

@Suite("Lines from a stream")
struct LineBufferTests {
    private func items(_ chunks: [String], longest: Int = 8) -> [LineBuffer.Item] {
        var buffer = LineBuffer(longest: longest)
        var items: [LineBuffer.Item] = []
        for chunk in chunks { Array(chunk.utf8).withUnsafeBytes { items += buffer.append($0) } }
        return items + buffer.end()
    }

    private func line(_ text: String) -> LineBuffer.Item { .line(Array(text.utf8)) }

    @Test("Lines come out whole, however the stream is cut")
    func cuts() {
        #expect(items(["ab\ncd", "e", "f\n", "\n \r\ng"]) == [line("ab"), line("cdef"), line("g")])
        #expect(items([]) == [])
    }

    @Test("A line that is too long is one item, and the next one is whole again")
    func tooLong() {
        #expect(items(["123456789\nok\n"]) == [.tooLong, line("ok")])
        #expect(items(["12345", "67890", "x\nok\n12345678"]) == [.tooLong, line("ok"), line("12345678")])
        #expect(items(["123456789"]) == [.tooLong])
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// An HTTP server that counts who asks when: paths end in the number of a run and of a sensor, `/bench_3/17`. The answer is
/// always the same. A thread for each connection, which is kept.
final class PollServer: Sendable {
    private struct Counts {
        var isCounting = false
        var period = 1.0
        var requests = 0
        var late = 0
        /// When each target was last asked; 0 while it was not.
        var last: [Double]
    }

    let port: Int
    private let listener: Int32
    private let counts: Mutex<Counts>
    private let targets: Int

    init(targets: Int) throws {
        self.targets = targets
        counts = Mutex(Counts(last: Array(repeating: 0, count: targets)))
        let (descriptor, port) = try LoopbackListener.open()
        listener = descriptor
        self.port = port
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread { [self] in
                    serve(connection)
                    Foundation.close(connection)
                }
            }
        }
    }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
        Foundation.close(listener)
    }

    /// Counts from now on; who comes later than twice the period after the time before is late.
    func begin(period: Double) {
        counts.withLock { counts in
            counts.isCounting = true
            counts.period = period
            counts.requests = 0
            counts.late = 0
        }
    }

    /// What was counted. Targets that were not asked for two periods are late too.
    func end() -> (requests: Int, late: Int) {
        let now = Monotonic.seconds
        return counts.withLock { counts in
            counts.isCounting = false
            let silent = counts.last.count { now - $0 > 2 * counts.period }
            return (counts.requests, counts.late + silent)
        }
    }

    private func serve(_ connection: Int32) {
        let body = #"{"state": "RUNNING"}"#
        let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
        var buffer = [UInt8](repeating: 0, count: 4_096)
        var filled = 0
        while true {
            let room = buffer.count - filled
            let count = buffer.withUnsafeMutableBytes { recv(connection, $0.baseAddress! + filled, room, 0) }
            guard count > 0 else { return }
            filled += count
            guard filled >= 4, buffer[filled - 4..<filled].elementsEqual([13, 10, 13, 10]) else { continue }
            note(buffer[..<filled])
            filled = 0
            guard send(connection, answer, answer.count, Int32(MSG_NOSIGNAL)) == answer.count else { return }
        }
    }

    /// The numbers in the path of `GET /bench_3/17 HTTP/1.1`.
    private func note(_ request: ArraySlice<UInt8>) {
        var numbers: [Int] = []
        var isIn = false
        for byte in request.dropFirst(4) {
            guard byte != UInt8(ascii: " ") else { break }
            if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
                if !isIn { numbers.append(0) }
                numbers[numbers.count - 1] = numbers[numbers.count - 1] * 10 + Int(byte - UInt8(ascii: "0"))
                isIn = true
            } else {
                isIn = false
            }
        }
        let target = numbers.count == 2 ? (numbers[0] * min(targets, 1_000) + numbers[1]) % targets : 0
        let now = Monotonic.seconds
        counts.withLock { counts in
            if counts.isCounting {
                counts.requests += 1
                if counts.last[target] > 0, now - counts.last[target] > 2 * counts.period { counts.late += 1 }
            }
            counts.last[target] = now
        }
    }
}

/// A listening socket on a free port of 127.0.0.1.
enum LoopbackListener {
    static func open() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                [bind(descriptor, raw, length), listen(descriptor, 512), getsockname(descriptor, raw, &length)].min()
            }
        }
        guard result == 0 else { throw BenchError("cannot listen on a port of 127.0.0.1") }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }
}

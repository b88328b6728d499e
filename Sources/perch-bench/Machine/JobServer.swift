// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// A small HTTP server for jobs: each path is a job that is running when it is first asked for and done at the second time,
/// or, every other path, done at once. A thread for each connection, which is kept.
final class JobServer: Sendable {
    let port: Int
    private let listener: Int32
    private let asked = Mutex<Set<String>>([])
    private let open = Mutex(0)

    /// How many connections are open.
    var connections: Int { open.withLock { $0 } }

    init() throws {
        (listener, port) = try LoopbackListener.open()
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread { [self] in
                    open.withLock { $0 += 1 }
                    serve(connection)
                    open.withLock { $0 -= 1 }
                    Foundation.close(connection)
                }
            }
        }
    }

    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Answers requests without a body until the other side ends.
    private func serve(_ connection: Int32) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return }
            bytes += buffer[..<count]
            guard bytes.suffix(4).elementsEqual("\r\n\r\n".utf8) else { continue }
            let words = bytes.split(separator: 0x20, maxSplits: 2)
            bytes = []
            guard words.count == 3 else { return }
            let state = state(of: String(decoding: words[1], as: UTF8.self))
            let body = #"{"state": "\#(state)"}"#
            let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
            guard send(connection, answer, answer.count, Int32(MSG_NOSIGNAL)) == answer.count else { return }
        }
    }

    private func state(of path: String) -> String {
        guard path.utf8.last.map({ $0 % 2 == 1 }) == true else { return "DONE" }
        return asked.withLock { asked in
            if asked.remove(path) != nil { return "DONE" }
            asked.insert(path)
            return "RUNNING"
        }
    }
}

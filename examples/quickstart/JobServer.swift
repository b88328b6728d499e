// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A small HTTP server for the example, so that nothing has to be installed: `GET /jobs/<id>` answers the job's state.
///
/// It remembers nothing: a job's id holds the moment of its submission, and a job is done three seconds later. So it may
/// die and start again, or run in several processes at once.
final class JobServer: Sendable {
    static let shared = JobServer()

    struct Job: Codable {
        var url: String
    }

    private let port = UInt16(ProcessInfo.processInfo.environment["QUICKSTART_PORT"] ?? "") ?? 8765

    /// Takes a job. The same key gives the same kind of job however often it is asked.
    func submit(key: String) throws -> Job {
        guard canConnect() else {
            throw QuickstartError("nobody answers on port \(port); is it taken? Choose another: QUICKSTART_PORT=9876")
        }
        let milliseconds = Int(Date().timeIntervalSince1970 * 1000)
        return Job(url: "http://127.0.0.1:\(port)/jobs/\(milliseconds)-\(key)")
    }

    /// Answers on a thread of its own until the process ends.
    func start() {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        // The next process may start before this one's port is free; either of them can answer.
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &yes, socklen_t(MemoryLayout<Int32>.size))
        guard withAddress({ bind(listener, $0, $1) }) == 0, listen(listener, 64) == 0 else {
            FileHandle.standardError.write(Data("quickstart: cannot listen on port \(port)\n".utf8))
            close(listener)
            return
        }
        Thread.detachNewThread {
            while true {
                let connection = accept(listener, nil, nil)
                if connection >= 0 { Self.serve(connection) }
            }
        }
    }

    /// One request, one answer, and the connection is closed.
    private static func serve(_ connection: Int32) {
        defer { close(connection) }
        var patience = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var request: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while !request.suffix(4).elementsEqual("\r\n\r\n".utf8) {
            let count = recv(connection, &chunk, chunk.count, 0)
            guard count > 0, request.count < 16_384 else { return }
            request.append(contentsOf: chunk[..<count])
        }
        let (status, body) = answer(to: String(decoding: request, as: UTF8.self))
        let head =
            "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n"
            + "Connection: close\r\n\r\n"
        let response = Array((head + body).utf8)
        _ = send(connection, response, response.count, Int32(MSG_NOSIGNAL))
    }

    private static func answer(to request: String) -> (status: String, body: String) {
        let path = request.split(separator: " ").dropFirst().first ?? ""
        guard path.hasPrefix("/jobs/"), let submitted = Int(path.dropFirst(6).prefix { $0.isNumber }) else {
            return ("404 Not Found", #"{"error": "there is no such job"}"#)
        }
        let age = Int(Date().timeIntervalSince1970 * 1000) - submitted
        return ("200 OK", age < 3000 ? #"{"state": "RUNNING"}"# : #"{"state": "DONE", "price": 420}"#)
    }

    private func canConnect() -> Bool {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(probe) }
        return withAddress { connect(probe, $0, $1) } == 0
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// What went wrong, in a sentence.
struct QuickstartError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

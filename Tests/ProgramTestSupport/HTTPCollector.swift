// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import Synchronization

/// A server on the loopback that keeps the bodies and heads of what is sent to it, on threads of its own.
public final class HTTPCollector: Sendable {
    /// A request as it came.
    public struct Request: Sendable {
        /// The request's line and its header fields.
        public var head: String
        public var body: String
    }

    private struct State: Sendable {
        var requests: [Request] = []
        var status = 200
        var isSilent = false
        var held: [Int32] = []
    }

    /// Where it listens.
    public let port: Int
    private let listener: Int32
    private let state = Mutex(State())

    /// Begins to listen.
    public init(port: Int = 0) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else {
            throw RunningEngineError(description: "cannot listen on the loopback: \(String(cString: strerror(errno)))")
        }
        self.port = Int(UInt16(bigEndian: address.sin_port))
        self.listener = listener
        Thread.detachNewThread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                guard let self else {
                    close(connection)
                    return
                }
                Thread.detachNewThread { self.serve(connection) }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        for connection in state.withLock({ $0.held }) { close(connection) }
    }

    /// The address of a path on it.
    public func url(_ path: String = "") -> String { "http://127.0.0.1:\(port)\(path)" }

    /// What it answers from now on.
    public func answer(_ status: Int) { state.withLock { $0.status = status } }

    /// Whether it answers nothing from now on, and keeps who asks waiting.
    public func beSilent(_ isSilent: Bool = true) { state.withLock { $0.isSilent = isSilent } }

    /// What has come so far, in order.
    public var requests: [Request] { state.withLock { $0.requests } }

    private func serve(_ connection: Int32) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let mark = Array("\r\n\r\n".utf8)
        func fill() -> Bool {
            let count = read(connection, &buffer, buffer.count)
            guard count > 0 else { return false }
            bytes += buffer[..<count]
            return true
        }
        var end: Int?
        repeat {
            end = bytes.indices.first { bytes[$0...].starts(with: mark) }
        } while end == nil && fill()
        guard let end else {
            close(connection)
            return
        }
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        let length =
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces)) } ?? 0
        if head.lowercased().contains("expect: 100-continue") {
            let go = "HTTP/1.1 100 Continue\r\n\r\n"
            _ = send(connection, go, go.utf8.count, Int32(MSG_NOSIGNAL))
        }
        while bytes.count < end + 4 + length, fill() {}
        let request = Request(head: head, body: String(decoding: bytes[(end + 4)...], as: UTF8.self))
        let (status, isSilent) = state.withLock { state in
            state.requests.append(request)
            if state.isSilent { state.held.append(connection) }
            return (state.status, state.isSilent)
        }
        if isSilent { return }
        let answer = "HTTP/1.1 \(status) Said\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        _ = send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL))
        close(connection)
    }
}

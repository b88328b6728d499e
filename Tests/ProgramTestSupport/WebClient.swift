// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A sender on one TCP connection, which sends what it is told, byte for byte. It blocks a thread of its own, never the test's.
// What is not constant is touched on `queue` alone.
public final class WebClient: @unchecked Sendable {
    /// What came back.
    public struct Answer: Sendable {
        public var status: Int
        /// Names in lower case.
        public var fields: [String: String]
        public var body: String
    }

    private let descriptor: Int32
    private let queue = DispatchQueue(label: "web-client")
    private var pending: [UInt8] = []

    /// Connects to a port of this machine. A read that gets nothing for twenty seconds counts as the end.
    public init(port: Int) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            Glibc.close(descriptor)
            throw RunningEngineError(description: "cannot connect to port \(port): \(String(cString: strerror(errno)))")
        }
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { Glibc.close(descriptor) }

    /// Sends bytes as they are; what the other side does not take any more is dropped.
    public func send(_ bytes: [UInt8]) async {
        await withCheckedContinuation { continuation in
            queue.async { [descriptor] in
                var rest = bytes[...]
                while !rest.isEmpty {
                    let count = rest.withUnsafeBytes {
                        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    guard count > 0 else { break }
                    rest = rest.dropFirst(count)
                }
                continuation.resume()
            }
        }
    }

    /// Sends text as it is.
    public func send(_ text: String) async { await send(Array(text.utf8)) }

    /// Ends this side of the connection.
    public func endSending() { queue.async { [descriptor] in shutdown(descriptor, Int32(SHUT_WR)) } }

    /// The next whole answer; nil where the connection has ended.
    /// - Parameter hasBody: False after HEAD, and for `100 Continue`.
    public func answer(hasBody: Bool = true) async -> Answer? {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.nextAnswer(hasBody)) }
        }
    }

    /// All that comes until some text has come, as it comes; nil where the connection ends before.
    public func text(until wanted: String) async -> String? {
        await withCheckedContinuation { continuation in
            queue.async {
                let end = Array(wanted.utf8)
                while true {
                    if let start = self.pending.indices.first(where: { self.pending[$0...].starts(with: end) }) {
                        let text = String(decoding: self.pending[..<(start + end.count)], as: UTF8.self)
                        self.pending.removeSubrange(..<(start + end.count))
                        return continuation.resume(returning: text)
                    }
                    guard self.fill() else { return continuation.resume(returning: nil) }
                }
            }
        }
    }

    /// How many bytes still come until the other side ends the connection.
    public func rest() async -> Int {
        await withCheckedContinuation { continuation in
            queue.async {
                while self.fill() {}
                defer { self.pending = [] }
                continuation.resume(returning: self.pending.count)
            }
        }
    }

    /// Whether the other side has ended the connection, with nothing more said.
    public func isEnded() async -> Bool {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.pending.isEmpty && !self.fill()) }
        }
    }

    /// Sends one request and gives its answer.
    public func request(
        _ line: String, _ fields: [String: String] = [:], _ body: String = ""
    ) async -> Answer? {
        await send(Self.text(line, fields, body))
        return await answer(hasBody: !line.hasPrefix("HEAD"))
    }

    /// A request as it is sent; a body brings its length.
    public static func text(_ line: String, _ fields: [String: String] = [:], _ body: String = "") -> String {
        var text = "\(line) HTTP/1.1\r\nHost: localhost\r\n"
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) { text += "\(name): \(value)\r\n" }
        if !body.isEmpty { text += "Content-Length: \(body.utf8.count)\r\n" }
        return text + "\r\n" + body
    }

    private func nextAnswer(_ hasBody: Bool) -> Answer? {
        let end = Array("\r\n\r\n".utf8)
        var place: Int?
        while true {
            place = pending.indices.first { pending[$0...].starts(with: end) }
            if place != nil { break }
            guard fill() else { return nil }
        }
        let lines = String(decoding: pending[..<place!], as: UTF8.self).components(separatedBy: "\r\n")
        pending.removeSubrange(..<(place! + 4))
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let sides = line.split(separator: ":", maxSplits: 1)
            if sides.count == 2 { fields[sides[0].lowercased()] = sides[1].trimmingCharacters(in: .whitespaces) }
        }
        let status = lines[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let length = hasBody ? fields["content-length"].flatMap { Int($0) } ?? 0 : 0
        while pending.count < length { guard fill() else { return nil } }
        defer { pending.removeSubrange(..<length) }
        return Answer(status: status, fields: fields, body: String(decoding: pending[..<length], as: UTF8.self))
    }

    /// Reads once; false at the end.
    private func fill() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        pending += chunk[..<count]
        return true
    }
}

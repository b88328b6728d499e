// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchReactor
import PerchSDK
import Synchronization

/// An HTTP server on a socket of its own, with a thread for each connection: well-behaved or not, as the path says.
final class ScriptedServer: Sendable {
    struct Request: Sendable {
        var method: String
        var path: String
        var headers: [String: String]
        var body: String
    }

    private struct State {
        var requests: [Request] = []
        var connections: [Int32] = []
        var accepted = 0
        var atOnce = 0
        var mostAtOnce = 0
        var isClosed = false
    }

    private let listener: Int32
    let port: Int
    private let state = Mutex(State())

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        listener = descriptor
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        var bound = address
        var length = size
        let result = withUnsafeMutablePointer(to: &bound) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                [bind(descriptor, raw, size), listen(descriptor, 512), getsockname(descriptor, raw, &length)].min() ?? 0
            }
        }
        guard result == 0 else { throw ReactorError(call: "bind", number: errno) }
        port = Int(UInt16(bigEndian: bound.sin_port))
        Thread.detachNewThread { [self] in acceptAll() }
    }

    func url(_ path: String, host: String = "127.0.0.1") -> String { "http://\(host):\(port)\(path)" }

    var requests: [Request] { state.withLock { $0.requests } }
    func requests(to path: String) -> [Request] { requests.filter { $0.path == path } }
    var connectionCount: Int { state.withLock { $0.accepted } }
    var mostAtOnce: Int { state.withLock { $0.mostAtOnce } }

    func close() {
        let open = state.withLock { state in
            state.isClosed = true
            return state.connections
        }
        shutdown(listener, Int32(SHUT_RDWR))
        for connection in open { shutdown(connection, Int32(SHUT_RDWR)) }
    }

    private func acceptAll() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { break }
            let isClosed = state.withLock { state in
                state.connections.append(connection)
                state.accepted += 1
                return state.isClosed
            }
            if isClosed { shutdown(connection, Int32(SHUT_RDWR)) }
            Thread.detachNewThread { [self] in
                serve(connection)
                state.withLock { $0.connections.removeAll { $0 == connection } }
                Glibc.close(connection)
            }
        }
        Glibc.close(listener)
    }

    private func serve(_ connection: Int32) {
        while let request = read(connection) {
            state.withLock { state in
                state.requests.append(request)
                state.atOnce += 1
                state.mostAtOnce = max(state.mostAtOnce, state.atOnce)
            }
            let goesOn = answer(request, connection)
            state.withLock { $0.atOnce -= 1 }
            guard goesOn else { return }
        }
    }

    private func read(_ connection: Int32) -> Request? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let end = text.firstRange(of: "\r\n\r\n") {
                let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
                let first = lines[0].split(separator: " ").map(String.init)
                var headers: [String: String] = [:]
                for line in lines.dropFirst() {
                    guard let colon = line.firstIndex(of: ":") else { continue }
                    headers[line[..<colon].lowercased()] = line[line.index(after: colon)...]
                        .trimmingCharacters(in: .whitespaces)
                }
                let body = String(text[end.upperBound...])
                if body.utf8.count >= Int(headers["content-length"] ?? "0") ?? 0, first.count >= 2 {
                    return Request(method: first[0], path: first[1], headers: headers, body: body)
                }
            }
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
            if bytes.first == 0x16 {
                // A client that begins with TLS.
                _ = reply(connection, 400)
                return nil
            }
        }
    }

    @discardableResult
    private func send(_ connection: Int32, _ text: String) -> Bool {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes {
                Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            bytes = bytes.dropFirst(count)
        }
        return true
    }

    private func reply(_ connection: Int32, _ status: Int, _ body: String = "", headers: String = "") -> Bool {
        send(connection, "HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(headers)\r\n\(body)")
    }

    /// Whether the connection goes on.
    private func answer(_ request: Request, _ connection: Int32) -> Bool {
        let parts = request.path.split(separator: "/").map(String.init)
        let times = requests(to: request.path).count
        switch parts.first {
        case "status":
            return reply(connection, Int(parts[1]) ?? 200, "status \(parts[1])")
        case "job":
            // /job/3: done at the third request.
            let state = times >= Int(parts[1]) ?? 1 ? "DONE" : "RUNNING"
            return reply(
                connection, 200, #"{"state": "\#(state)", "asked": \#(times)}"#,
                headers: "Content-Type: application/json\r\nX-State: \(state)\r\n")
        case "after":
            // /after/3/500: such a status until the third request.
            return reply(connection, times >= Int(parts[1]) ?? 1 ? 200 : Int(parts[2]) ?? 500, "text")
        case "hang":
            var byte: UInt8 = 0
            _ = recv(connection, &byte, 1, 0)
            return false
        case "reset":
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(connection, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            return false
        case "huge":
            guard send(connection, "HTTP/1.1 200 X\r\nContent-Length: 104857600\r\n\r\n") else { return false }
            let block = String(repeating: "x", count: 65_536)
            for _ in 0..<1_600 { guard send(connection, block) else { return false } }
            return true
        case "circle":
            return reply(connection, 302, headers: "Location: /circle/\(parts[1] == "a" ? "b" : "a")\r\n")
        case "deep":
            return reply(connection, 302, headers: "Location: /deep/\((Int(parts[1]) ?? 0) + 1)\r\n")
        case "elsewhere":
            return reply(connection, 307, headers: "Location: \(url("/status/200", host: "localhost"))\r\n")
        case "ftp":
            return reply(connection, 302, headers: "Location: ftp://127.0.0.1/file\r\n")
        case "form":
            return reply(connection, 302, headers: "Location: /status/200\r\n")
        case "stream":
            // Two events in pieces, then the connection stays open.
            let head = "HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n\r\n"
            for piece in [head, "id: 1\r\ndata: {\"n\"", ": 1}\r", "\n\r\nid: 2\ndata: {\"n\": 2}\n", "\n"] {
                guard send(connection, piece) else { return false }
            }
            var byte: UInt8 = 0
            _ = recv(connection, &byte, 1, 0)
            return false
        case "partial":
            send(connection, "HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\nhalf")
            return false
        case "empty":
            return false
        case "retry":
            return reply(connection, times == 1 ? 503 : 200, headers: "Retry-After: 2\r\n")
        case "late":
            return reply(connection, 503, headers: "Retry-After: \(parts[1])\r\n")
        default:
            return reply(connection, 404)
        }
    }
}

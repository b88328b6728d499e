// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// A stream to a socket in the home, line by line: events and inspection speak so.
final class EngineLine {
    /// What a process answers to a question about itself.
    enum Answer {
        case document(JSONValue)
        /// It closed the connection.
        case nothing
        /// It is there, and says nothing: it is stopped, or far behind.
        case silence
    }

    /// How long a process has to answer.
    private static let patience = 2

    private let descriptor: Int32
    private var pending: [UInt8] = []

    /// Asks a process at its inspection socket. Nil where nobody listens there.
    /// - Throws: `PerchError` (`unavailable`) with what it answers that it cannot say.
    static func ask(_ question: [String: JSONValue], at path: String) throws -> Answer? {
        guard let line = try EngineLine(connectingTo: path) else { return nil }
        var limit = timeval(tv_sec: patience, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(line.descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(line.descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        do {
            try line.send(JSONValue.object(question).text)
            guard let text = try line.receive() else { return .nothing }
            let document = try JSONValue(parsingEnvelope: text)
            if case .string(let message)? = document["error"] { throw PerchError(.unavailable, message) }
            return .document(document)
        } catch is Silence {
            return .silence
        }
    }

    /// The time for an answer is over.
    private struct Silence: Error {}

    /// Connects. Nil where nobody listens there.
    init?(connectingTo path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw TextFile.fault("open a socket for", path) }
        guard try Self.connect(descriptor, to: path) else { return nil }
    }

    deinit { close(descriptor) }

    /// Connects a socket. False where nobody listens.
    static func connect(_ socket: Int32, to path: String) throws -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let name = Array(path.utf8)
        // A longer path than an address holds is reached through the descriptor of its directory.
        let capacity = MemoryLayout.size(ofValue: address.sun_path) - 1
        var directory: Int32 = -1
        defer { if directory >= 0 { close(directory) } }
        var bytes = name
        if name.count > capacity, let slash = name.lastIndex(of: UInt8(ascii: "/")) {
            directory = open(String(decoding: name[..<slash], as: UTF8.self), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            bytes = Array("/proc/self/fd/\(directory)".utf8) + name[slash...]
        }
        guard bytes.count <= capacity else { throw PerchError(.invalid, "the path \(path) is too long for a socket") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 { return true }
        if [ENOENT, ECONNREFUSED, ENOTDIR].contains(errno) { return false }
        throw TextFile.fault("connect to", path)
    }

    /// Sends a line; the line feed is added.
    func send(_ line: String) throws {
        let bytes = Array(line.utf8) + [UInt8(ascii: "\n")]
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { throw Silence() }
            guard count > 0 else { throw lost() }
            sent += count
        }
    }

    /// Says that no more lines follow.
    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next line, without its line feed; nil where the other side is done.
    func receive() throws -> String? {
        while true {
            if let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                defer { pending.removeSubrange(...end) }
                return String(decoding: pending[..<end], as: UTF8.self)
            }
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { throw Silence() }
            guard count >= 0 else { throw lost() }
            if count == 0 { return pending.isEmpty ? nil : String(decoding: pending, as: UTF8.self) }
            pending.append(contentsOf: chunk[..<count])
        }
    }

    private func lost() -> PerchError {
        PerchError(.unavailable, "the engine closed the connection: \(String(cString: strerror(errno)))")
    }
}

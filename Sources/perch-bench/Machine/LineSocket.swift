// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A connection to one of the sockets in an engine's home.
final class LineSocket: Sendable {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw BenchError("cannot connect to \(path)") }
    }

    deinit { close(descriptor) }

    /// The next answer, which is short.
    func receive() throws -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while recv(descriptor, &byte, 1, 0) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        throw BenchError("the engine closed its socket")
    }

    /// Sends lines as fast as they are taken, and returns when each has been answered.
    func exchange(_ lines: [String]) throws {
        let descriptor = descriptor
        Thread.detachNewThread {
            var bytes: [UInt8] = []
            for (index, line) in lines.enumerated() {
                bytes += line.utf8
                bytes.append(UInt8(ascii: "\n"))
                guard bytes.count > 32_000 || index == lines.count - 1 else { continue }
                var sent = 0
                while sent < bytes.count {
                    let count = bytes[sent...].withUnsafeBytes {
                        Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    // Whoever reads the answers finds out.
                    guard count > 0 else { return }
                    sent += count
                }
                bytes = []
            }
        }
        var answers = 0
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while answers < lines.count {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { throw BenchError("the engine closed its socket after \(answers) answers") }
            answers += buffer[..<count].count { $0 == UInt8(ascii: "\n") }
        }
    }

    /// Sends a line.
    func send(_ line: String) throws {
        let bytes = Array((line + "\n").utf8)
        guard Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw BenchError("cannot send an event")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How a task's code tells the measuring process what time it is: a datagram.
final class ReportSocket: Sendable {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard Self.withAddress(path, { bind(descriptor, $0, $1) }) == 0 else { throw BenchError("cannot bind \(path)") }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    func receive() throws -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { throw BenchError("no report from the task's code within 20 s") }
        return String(decoding: buffer[..<count], as: UTF8.self)
    }

    static func send(_ text: String) throws {
        guard let path = ProcessInfo.processInfo.environment[BenchBundle.reportVariable] else {
            throw BenchError("\(BenchBundle.reportVariable) is not set")
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard withAddress(path, { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }) == bytes.count else {
            throw BenchError("cannot send to \(path)")
        }
    }

    private static func withAddress<Result>(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

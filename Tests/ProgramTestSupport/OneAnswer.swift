// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A server on the loopback that gives one prepared answer to each connection and keeps what it was asked.
public final class OneAnswer: Sendable {
    /// Where it listens.
    public let port: UInt16
    private let listener: Int32

    /// Nil for an answer: the connection stays open without one.
    public init(_ answer: String?, then asked: @escaping @Sendable (String) -> Void = { _ in }) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 8) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard isBound else {
            throw RunningEngineError(description: "cannot listen on the loopback: \(String(cString: strerror(errno)))")
        }
        port = UInt16(bigEndian: address.sin_port)
        self.listener = listener
        Thread.detachNewThread {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { return }
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = read(connection, &bytes, bytes.count)
            asked(String(decoding: bytes[..<max(0, count)], as: UTF8.self))
            if let answer {
                _ = send(connection, answer, answer.utf8.count, Int32(MSG_NOSIGNAL))
            } else {
                // Until the other side gives up.
                _ = read(connection, &bytes, bytes.count)
            }
            close(connection)
        }
    }

    deinit { close(listener) }

    /// The address of a path on it.
    public func url(_ path: String = "/") -> String { "http://127.0.0.1:\(port)\(path)" }
}

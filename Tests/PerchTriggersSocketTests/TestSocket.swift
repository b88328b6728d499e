// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import PerchReactor

/// A socket that is bound, and listens when it is told to: until then it refuses.
final class TestSocket: @unchecked Sendable {  // because each test uses its own, from one task
    private var descriptor: Int32
    private var clients: [Int32] = []
    private(set) var port = 0
    private(set) var path: String?

    /// A port of 127.0.0.1 that is free.
    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                min(bind(descriptor, $0, length), getsockname(descriptor, $0, &length))
            }
        }
        guard result == 0 else { throw ReactorError(call: "bind", number: errno) }
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    /// A Unix socket with its file.
    init(path: String) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        let descriptor = descriptor
        guard Self.withAddress(path, { bind(descriptor, $0, $1) }) == 0 else {
            throw ReactorError(call: "bind", number: errno)
        }
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    func listens(backlog: Int32 = 64) { listen(descriptor, backlog) }

    /// Takes no further connection, without refusing any: its queue is full of clients that nobody accepts.
    func hangs() {
        listens(backlog: 0)
        for _ in 0..<4 {
            let family = path == nil ? AF_INET : AF_UNIX
            let client = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            clients.append(client)
            if let path {
                _ = Self.withAddress(path) { connect(client, $0, $1) }
                continue
            }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            address.sin_port = UInt16(port).bigEndian
            _ = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    /// Takes the next connection that is there and says whether its other side has closed it, having sent nothing.
    func wasClosedByClient() -> Bool {
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 5_000) == 1 else { return false }
        let connection = clinux_accept(descriptor)
        guard connection >= 0 else { return false }
        defer { Glibc.close(connection) }
        var end = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        var byte: UInt8 = 0
        return poll(&end, 1, 5_000) == 1 && read(connection, &byte, 1) == 0
    }

    /// Closes the socket; its file, if it has one, stays.
    func close() {
        for client in clients { Glibc.close(client) }
        clients = []
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    deinit {
        close()
        if let path { unlink(path) }
    }
}

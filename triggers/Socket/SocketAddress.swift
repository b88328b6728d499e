// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Where a connection goes.
public enum SocketAddress: Hashable, Sendable, CustomStringConvertible {
    /// A TCP port of a host, by name or by address.
    case port(host: String, number: Int)
    /// A stream socket in the file system.
    case unixSocket(path: String)

    /// What the kernel takes, without the zero byte behind it.
    private static let longestPath = 107
    /// RFC 1035, 2.3.4.
    private static let longestHost = 253

    /// `host:port`, with an IPv6 address in brackets; or the path.
    public var description: String {
        switch self {
        case .port(let host, let number): host.contains(":") ? "[\(host)]:\(number)" : "\(host):\(number)"
        case .unixSocket(let path): path
        }
    }

    /// Why it cannot be connected to; what a template becomes is looked at when the wait is armed.
    var problem: String? {
        switch self {
        case .port(let host, let number):
            if !(1...65_535).contains(number) { return "the port is \(number); it is from 1 to 65535" }
            return Self.problem(inHost: Template.blanked(host, with: "1"))
        case .unixSocket(let path):
            if path.hasPrefix("{{") { return nil }
            return Self.problem(inPath: Template.blanked(path, with: "x"))
        }
    }

    private static func problem(inHost host: String) -> String? {
        let shown = "'\(host.shown(80))'"
        let refusal =
            "\(shown) is no name and no address of a host; write db.example.org, 10.0.0.1 or ::1, the port apart"
        if host.isEmpty { return "the host is empty" }
        if host.utf8.count > longestHost { return "the host \(shown) is longer than \(longestHost) bytes" }
        if host.hasPrefix("[") { return "the host \(shown) stands without brackets: ::1" }
        if host.contains(":") {
            var bytes = in6_addr()
            let isAddress = !host.utf8.contains(0) && inet_pton(AF_INET6, host, &bytes) == 1
            return isAddress ? nil : refusal
        }
        let isName = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        return isName ? nil : refusal
    }

    private static func problem(inPath path: String) -> String? {
        let shown = "'\(path.shown(120))'"
        if !path.hasPrefix("/") { return "the path \(shown) is not absolute" }
        if path.utf8.contains(0) { return "the path \(shown) holds a zero byte" }
        if path.utf8.count > longestPath {
            return "the path \(shown) has \(path.utf8.count) bytes; that of a Unix socket has at most \(longestPath)"
        }
        return nil
    }
}

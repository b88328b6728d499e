// SPDX-License-Identifier: Apache-2.0

import Glibc
package import PerchSDK

/// Where the API server listens: an IP address and a port.
package struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// Without brackets.
    package var host: String
    /// 0: one that is free.
    package var port: Int
    /// Whether only this machine can reach it.
    package var isLoopback: Bool

    /// Reads `127.0.0.1:8793`, `[::1]:8793` or `localhost:8793`.
    /// - Throws: `PerchError` (`invalid`) that says what may stand there.
    package init(parsing text: String) throws(PerchError) {
        let refusal = PerchError(
            .invalid,
            "'\(text.shown(60))' is no address to listen at: it is an IP address and a port, as 127.0.0.1:8793")
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]),
            text[text.index(after: colon)...].allSatisfy({ $0.isASCII && $0.isNumber })
        else { throw refusal }
        var host = String(text[..<colon])
        if host == "localhost" { host = "127.0.0.1" }
        var four = in_addr()
        var six = in6_addr()
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard inet_pton(AF_INET6, host, &six) == 1 else { throw refusal }
            let bytes = withUnsafeBytes(of: six) { Array($0) }
            isLoopback = bytes == [UInt8](repeating: 0, count: 15) + [1]
        } else {
            guard inet_pton(AF_INET, host, &four) == 1 else { throw refusal }
            isLoopback = withUnsafeBytes(of: four) { $0[0] == 127 }
        }
        self.host = host
        self.port = Int(port)
    }

    /// Whether a text, with a port or without, is an IP address or this machine's name for itself.
    static func isAddress(_ text: String) -> Bool {
        var four = in_addr()
        var six = in6_addr()
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            return inet_pton(AF_INET6, String(text[text.index(after: text.startIndex)..<end]), &six) == 1
        }
        let host = String(text.prefix { $0 != ":" })
        return host.lowercased() == "localhost" || inet_pton(AF_INET, host, &four) == 1
    }

    /// As it is written.
    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

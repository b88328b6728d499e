// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPTypes
package import PerchSDK

/// Addresses of proxies whose word counts about who has sent a request. Nobody else's does: whoever connects himself may
/// claim what he likes.
package struct TrustedProxies: Sendable, Hashable {
    private struct Network: Sendable, Hashable {
        var address: [UInt8]
        /// How many bits of it count.
        var bits: Int

        func holds(_ other: [UInt8]) -> Bool {
            guard other.count == address.count else { return false }
            let whole = bits / 8
            guard other[..<whole] == address[..<whole] else { return false }
            guard bits % 8 > 0 else { return true }
            let mask = UInt8(truncatingIfNeeded: 0xFF << (8 - bits % 8))
            return other[whole] & mask == address[whole] & mask
        }
    }

    private var networks: [Network] = []
    /// So many hops of a header are looked at.
    private static let mostHops = 32

    /// Nobody is trusted.
    package init() {}

    /// Reads `127.0.0.1, 10.0.0.0/8, fd00::/8`.
    /// - Throws: `PerchError` (`invalid`) that names what is no address.
    package init(parsing text: String) throws(PerchError) {
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            let word = word.filter { $0 != " " }
            let sides = word.split(separator: "/", omittingEmptySubsequences: false)
            guard sides.count <= 2, let first = sides.first, let address = Self.bytes(String(first)) else {
                throw Self.refusal(of: word)
            }
            var bits = address.count * 8
            if sides.count == 2 {
                guard let given = Int(sides[1]), (0...bits).contains(given) else { throw Self.refusal(of: word) }
                bits = given
            }
            networks.append(Network(address: address, bits: bits))
        }
    }

    private static func refusal(of word: String) -> PerchError {
        PerchError(
            .invalid,
            "'\(word.shown(60))' is no IP address and no network; they are written 10.0.0.1 or 10.0.0.0/8, with commas between"
        )
    }

    /// Who has sent a request: the last of those whom trusted proxies name that is none of them.
    ///
    /// - Parameter peer: Whose connection it came on.
    func sender(on peer: String, _ fields: HTTPFields) -> String {
        guard !networks.isEmpty, isTrusted(peer) else { return peer }
        var sender = peer
        let hops = fields[values: .forwardedFor].flatMap { $0.split(separator: ",") }
        for hop in hops.suffix(Self.mostHops).reversed() {
            let text = String(hop.filter { $0 != " " })
            // What stands before something that is no address is nobody's word.
            guard Self.bytes(text) != nil else { return sender }
            sender = text
            if !isTrusted(text) { return sender }
        }
        return sender
    }

    private func isTrusted(_ address: String) -> Bool {
        guard let bytes = Self.bytes(address) else { return false }
        return networks.contains { $0.holds(bytes) }
    }

    /// The bytes of an address, 4 or 16; of IPv4 within IPv6 those of the former.
    private static func bytes(_ text: String) -> [UInt8]? {
        guard !text.utf8.contains(0) else { return nil }
        var four = [UInt8](repeating: 0, count: 4)
        if inet_pton(AF_INET, text, &four) == 1 { return four }
        var sixteen = [UInt8](repeating: 0, count: 16)
        guard inet_pton(AF_INET6, text, &sixteen) == 1 else { return nil }
        let isMapped = sixteen[..<10].allSatisfy { $0 == 0 } && sixteen[10] == 0xFF && sixteen[11] == 0xFF
        return isMapped ? Array(sixteen[12...]) : sixteen
    }
}

extension HTTPField.Name {
    static let forwardedFor = HTTPField.Name("X-Forwarded-For")!
}

// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Looks the addresses of a name up. Blocks.
enum HostAddresses {
    /// The addresses as texts, in the system's order; or why there are none.
    static func find(_ host: String) -> Result<[String], LookUpFault> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, nil, &hints, &list)
        guard result == 0 else { return .failure(LookUpFault(words: String(cString: gai_strerror(result)))) }
        defer { freeaddrinfo(list) }
        var found: [String] = []
        var next = list
        while let entry = next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let shown = getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if shown == 0, !found.contains(address) { found.append(address) }
            next = entry.pointee.ai_next
        }
        return found.isEmpty ? .failure(LookUpFault(words: "it has no addresses")) : .success(found)
    }

    struct LookUpFault: Error {
        var words: String
    }
}

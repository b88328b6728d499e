// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A server that requests go to, out of a connection: `https://user:password@api.example.org/v2`.
struct HTTPConnection: Sendable {
    /// `https://api.example.org/v2`.
    var address: String
    /// As whom: basic authorization, or with a password alone a bearer's token.
    var headers: [String: String] = [:]
    /// A secret that is no part of requests.
    var password: String?

    /// - Throws: `NonRetryable` that says what is wrong with the connection.
    init(_ connection: Connection, id: String) throws(NonRetryable) {
        guard connection.type == "http" || connection.type == "https", let host = connection.host, !host.isEmpty else {
            throw NonRetryable(
                "the connection '\(id.shown(80))' is of the type \(connection.type.shown(40)); requests go to http or https, "
                    + "at a host")
        }
        address = "\(connection.type)://\(host.contains(":") ? "[\(host)]" : host)"
        if let port = connection.port { address += ":\(port)" }
        if let path = connection.schema { address += path.hasPrefix("/") ? path : "/" + path }
        guard !address.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw NonRetryable("the address of the connection '\(id.shown(80))' holds spaces or control characters")
        }
        password = connection.password
        if let login = connection.login {
            let pair = Array("\(login):\(connection.password ?? "")".utf8)
            headers["Authorization"] = "Basic " + String(decoding: MailEncoding.base64(pair[...]), as: UTF8.self)
        } else if let password {
            headers["Authorization"] = "Bearer \(password)"
        }
        let extra = try ConnectionOptions(connection, id: id, known: Array(connection.extra.keys))
        for name in connection.extra.keys.sorted() { headers[name] = try extra.text(name) }
    }
}

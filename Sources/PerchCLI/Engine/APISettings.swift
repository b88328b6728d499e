// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchSDK

/// The API server's settings, with what stands in the files that they name.
enum APISettings {
    /// How long an API server is taken for alive without having said so: as long as a scheduler is, where nothing is set.
    private static let lease = TimeSpan.seconds(90)

    /// Nil where the API is not wanted.
    /// - Throws: `PerchError` that names the setting and the file, never what is secret.
    static func read(_ configuration: Configuration) throws -> APIServer.Configuration? {
        guard let listen = configuration.text("api.listen") else { return nil }
        let address = try ListenAddress(parsing: listen)
        var settings = try APIServer.Configuration(
            address: address, credentials: try credentials(configuration),
            mayBeOpen: configuration.number("api.open") != 0)
        settings.isSecure = configuration.number("api.secure_cookies") == 1
        settings.tls = try tls(configuration)
        settings.limits.eventRate = configuration.number("api.event_rate").map { Int($0) }
        if let streams = configuration.number("api.streams") { settings.limits.streams = Int(streams) }
        settings.lease = lease
        settings.hooks = try hooks(configuration)
        if let proxies = configuration.text("api.trusted_proxies") {
            settings.proxies = try TrustedProxies(parsing: proxies)
        }
        return settings
    }

    private static func hooks(_ configuration: Configuration) throws -> [Hook] {
        guard let path = configuration.text("api.hooks_file") else { return [] }
        guard let text = try TextFile.readIfPresent(path) else {
            throw PerchError(.notFound, "api.hooks_file: there is no file \(path)")
        }
        do {
            return try Hook.all(in: JSONValue(parsing: text)) { try lines(of: $0, "secret_file") }
        } catch let error as PerchError {
            throw PerchError(error.code, "api.hooks_file: \(path): \(error.message)")
        }
    }

    /// Nil where connections are not encrypted.
    private static func tls(_ configuration: Configuration) throws -> TLSFiles? {
        switch (configuration.text("api.tls_certificate"), configuration.text("api.tls_key")) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return TLSFiles(certificate: certificate, key: key)
        case (_, nil): throw PerchError(.invalid, "api.tls_certificate: its key is missing; set api.tls_key")
        case (nil, _): throw PerchError(.invalid, "api.tls_key: its certificate is missing; set api.tls_certificate")
        }
    }

    /// Of the listener that says how the process stands; nil where none is wanted.
    /// - Throws: As `read`, and where events are taken at the same address.
    static func health(_ configuration: Configuration) throws -> APIServer.Configuration? {
        guard let listen = configuration.text("health.listen") else { return nil }
        let address = try ListenAddress(parsing: listen)
        if address.port != 0, try configuration.text("api.listen").map({ try ListenAddress(parsing: $0) }) == address {
            throw PerchError(
                .invalid,
                "health.listen: \(address) is where api.listen takes events, and health is told there, too: leave "
                    + "health.listen out, or name another port")
        }
        return APIServer.Configuration(healthAt: address, credentials: try credentials(configuration))
    }

    private static func credentials(_ configuration: Configuration) throws -> Credentials {
        try Credentials(
            tokens: try values("api.token", configuration), secrets: try values("api.secret", configuration))
    }

    /// What is set directly, and each line of the file.
    private static func values(_ name: String, _ configuration: Configuration) throws -> [String] {
        let values = configuration.text(name).map { [$0] } ?? []
        guard let path = configuration.text(name + "_file") else { return values }
        return values + (try lines(of: path, name + "_file"))
    }

    /// Each line of a file that is to have one.
    private static func lines(of path: String, _ setting: String) throws -> [String] {
        guard let text = try TextFile.readIfPresent(path) else {
            throw PerchError(.notFound, "\(setting): there is no file \(path)")
        }
        let lines = text.split(whereSeparator: \.isNewline).map { line in
            let start = line.drop(while: \.isWhitespace)
            return String(start[..<(start.lastIndex { !$0.isWhitespace }.map(start.index(after:)) ?? start.startIndex)])
        }
        let found = lines.filter { !$0.isEmpty }
        guard !found.isEmpty else { throw PerchError(.invalid, "\(setting): \(path) is empty") }
        return found
    }
}

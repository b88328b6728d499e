// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchSDK

/// The API server's settings, with what stands in the files that they name.
enum APISettings {
    /// Nil where the API is not wanted.
    /// - Throws: `PerchError` that names the setting and the file, never what is secret.
    static func read(_ configuration: Configuration) throws -> APIServer.Configuration? {
        guard let listen = configuration.text("api.listen") else { return nil }
        let credentials = try Credentials(
            tokens: try values("api.token", configuration), secrets: try values("api.secret", configuration))
        let address = try ListenAddress(parsing: listen)
        return try APIServer.Configuration(address: address, credentials: credentials)
    }

    /// What is set directly, and each line of the file.
    private static func values(_ name: String, _ configuration: Configuration) throws -> [String] {
        var values = configuration.text(name).map { [$0] } ?? []
        guard let path = configuration.text(name + "_file") else { return values }
        guard let text = try TextFile.readIfPresent(path) else {
            throw PerchError(.notFound, "\(name)_file: there is no file \(path)")
        }
        let lines = text.split(whereSeparator: \.isNewline).map { line in
            let start = line.drop(while: \.isWhitespace)
            return String(start[..<(start.lastIndex { !$0.isWhitespace }.map(start.index(after:)) ?? start.startIndex)])
        }
        let found = lines.filter { !$0.isEmpty }
        guard !found.isEmpty else { throw PerchError(.invalid, "\(name)_file: \(path) is empty") }
        values += found
        return values
    }
}

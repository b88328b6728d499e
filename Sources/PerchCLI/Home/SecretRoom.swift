// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

/// `--home` and `--set`, for the commands that work on what is sealed.
struct SecretOptions: ParsableArguments {
    @OptionGroup var settings: SettingsOption
    @OptionGroup var home: HomeOption

    /// Runs `body` on the opened metastore with the keys of the home.
    func withKeys<Result: Sendable>(_ body: (Metastore, KeyPlace) async throws -> Result) async throws -> Result {
        try await home.withMetastore { home, metastore in
            let keys = try SecretSettings(try settings.read(home), home: home).keys
            return try await body(metastore, keys)
        }
    }
}

/// How much a command shows of what is secret.
struct ShowSecretsOption: ParsableArguments {
    @Flag(name: .long, help: "Show what is secret, too.") var showSecrets = false
}

/// What is given to a command on its standard input.
enum StandardInput {
    /// All of it.
    static func text() -> String {
        var text = ""
        while let line = readLine(strippingNewline: false) { text += line }
        return text
    }

    /// All of it, without the line break at its end.
    static func value() -> String {
        var text = text()
        if text.hasSuffix("\n") { text.removeLast() }
        return text
    }
}

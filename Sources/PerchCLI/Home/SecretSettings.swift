// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchExecutor
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

/// What the settings say of keys, and of the places where connections, variables and secrets are.
struct SecretSettings {
    let keys: KeyPlace
    private let file: SecretsFile?
    private let command: SecretsCommand?

    /// - Throws: `PerchError` (`invalid`) that names the setting, never a value that may be secret.
    init(_ configuration: Configuration, home: Home, clock: any PerchClock = SystemClock()) throws {
        keys = try KeyPlace(
            given: configuration.text("secrets.key"),
            path: try Home.absolute(configuration.text("secrets.key_file") ?? home.paths.key))
        file = try configuration.text("secrets.file").map { SecretsFile(path: try Home.absolute($0)) }
        let (keep, timeout) = (
            configuration.number("secrets.command_cache"), configuration.number("secrets.command_timeout")
        )
        command = try configuration.text("secrets.command").map {
            try SecretsCommand(
                $0, timeout: TimeSpan(microseconds: timeout ?? 10_000_000),
                keep: TimeSpan(microseconds: keep ?? 60_000_000), clock: clock)
        }
    }

    /// All the places, the metastore last.
    ///
    /// - Parameter metastore: nil: there is none.
    func places(_ metastore: Metastore?) -> any SecretDesk {
        SecretPlaces(
            environment: { name in getenv(name).map { String(cString: $0) } }, file: file, command: command, keys: keys,
            stored: { name in
                guard let metastore else { return nil }
                return try await metastore.read { try $0.stored(name) }
            })
    }

    /// The places, and a mask of what stands in the environment already.
    func forExecutor(_ metastore: Metastore?) -> ExecutorSecrets {
        let mask = SecretMask()
        mask.add(environment: ProcessEnvironment.current)
        return ExecutorSecrets(desk: places(metastore), mask: mask)
    }
}

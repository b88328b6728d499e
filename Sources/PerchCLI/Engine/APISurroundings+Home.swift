// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

extension APISurroundings {
    /// What the API of an engine needs: this program, its home, and its keys.
    init(home: Home, metastore: Metastore, keys: KeyPlace?, secrets: (any SecretDesk)? = nil) {
        self.init()
        self.secrets = secrets
        version = PerchVersion.current
        commands = CommandRunner(home: home) { NamedCommand($0, in: RootCommand<NoDAGs>.self).path }
        handMadeEvent = { wait, payload, now in try HandMadeEvent.of(wait, payload: payload, now: now) }
        log = { key, tryNumber, start, limit in
            try await AttemptLogs(home: home, metastore: metastore).page(key, tryNumber, from: start, limit: limit)
        }
        if let keys {
            seal = { text, name in try keys.ringForSealing().seal(text, for: name) }
            unseal = { value, name in try keys.ring().open(value, of: name) }
        }
        let desk = ExplanationDesk(of: home)
        explain = { waitID in try await desk.ask(waitID) }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import PerchAPIServer
internal import PerchMetastore
internal import PerchSDK
internal import PerchVault

extension APISurroundings {
    /// What the API of an engine needs: this program, its home, and its keys.
    init(home: Home, metastore: Metastore, keys: KeyPlace?) {
        self.init()
        version = PerchVersion.current
        commands = CommandRunner(home: home) { NamedCommand($0, in: RootCommand<NoDAGs>.self).path }
        handMadeEvent = { wait, payload, now in try HandMadeEvent.of(wait, payload: payload, now: now) }
        log = { key, tryNumber, after, limit in
            try await AttemptLogs(home: home, metastore: metastore).page(key, tryNumber, after: after, limit: limit)
        }
        if let keys { seal = { text, name in try keys.ringForSealing().seal(text, for: name) } }
        // Asking may take as long as a triggerer that hangs is waited for: on a thread of its own.
        let queue = DispatchQueue(label: "perch-api-questions")
        explain = { waitID in
            let answer: Result<WaitExplanation?, any Error> = await withCheckedContinuation { continuation in
                queue.async {
                    continuation.resume(returning: Result { try LiveExplanation.ask(waitID, home) })
                }
            }
            return try answer.get()
        }
    }
}

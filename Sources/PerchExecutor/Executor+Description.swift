// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

extension Executor {
    /// So many import errors are told one by one.
    private static var mostTold: Int { 10 }

    /// What the bundle has may have changed: it is to describe itself anew, and runs are created from what it says then.
    /// Dispatches that run go on with the code that they began with. From any thread.
    public nonisolated func describeAgain() {
        reactor.submit { [self] in
            assumeIsolated { executor in
                executor.mustDescribe = true
                executor.askForDescription()
            }
        }
    }

    /// Asks the bundle for its description, where that is wanted and nothing else is asked.
    func askForDescription() {
        guard life == .running, mustDescribe, !isDescribing, bundles[.main]?.isReady == true else { return }
        mustDescribe = false
        isDescribing = true
        Task(executorPreference: reactor) { await self.takeDescription() }
    }

    /// Another bundle may have given up what this one has, too.
    func askForClashes() {
        guard hasClashes else { return }
        mustDescribe = true
        askForDescription()
    }

    private func takeDescription() async {
        // What the main one describes is stored, and each of the others may be given tasks of it: they read their files
        // first.
        for index in 1..<max(1, core.settings.processes) {
            guard let bundle = bundles[.pooled(index)], bundle.isReady else { continue }
            _ = await ask(bundle, .describe)
        }
        var greeting: RunningBundle.Greeting?
        if let bundle = bundles[.main], bundle.isReady { greeting = await ask(bundle, .describe) }
        do {
            // Where it has died meanwhile, the next one is asked.
            if case .described(let description) = greeting {
                _ = try await takeUp(description)
            } else {
                mustDescribe = true
            }
            isDescribing = false
            if greeting != nil { askForDescription() }
        } catch {
            isDescribing = false
            // The DAGs stay as they are stored; the next poll tries again.
            mustDescribe = true
            logger.error("the DAGs that the bundle has now are not taken up", metadata: ["error": "\(error)"])
            note(trouble: "its DAGs are not taken up: \(secrets.mask.masked("\(error)"))", count: 1)
        }
    }

    /// Stores what a bundle describes.
    func takeUp(_ description: BundleDescription) async throws -> [DAGDefinition] {
        guard description.problems.isEmpty else {
            throw PerchError(.invalid, description.problems.joined(separator: "\n"))
        }
        let definitions = try description.dags.map { try DAGDefinition(parsing: $0) }
        let clashes = try await store.storeDAGs(
            definitions, bundle: launcher.name, bundleVersion: description.bundleVersion,
            importErrors: description.importErrors,
            sources: description.sources.map { DAGSourceText(path: $0.path, text: $0.text, dagIDs: $0.dagIDs) })
        hasClashes = !clashes.isEmpty
        noteWell()
        let isNew = storedVersion != nil && storedVersion != description.bundleVersion
        storedVersion = description.bundleVersion
        if isNew {
            logger.notice(
                "the bundle has changed",
                metadata: ["version": "\(description.bundleVersion)", "dags": "\(definitions.count)"])
        }
        tell(description.importErrors + clashes)
        return definitions
    }

    private func tell(_ errors: [DeclarationProblem]) {
        let known = Set(toldErrors)
        toldErrors = errors
        let new = errors.filter { !known.contains($0) }
        for error in new.prefix(Self.mostTold) {
            logger.warning("import error: \(error)")
        }
        if new.count > Self.mostTold {
            logger.warning("and more import errors", metadata: ["count": "\(new.count - Self.mostTold)"])
        }
        if errors.isEmpty, !known.isEmpty { logger.notice("no import errors any more") }
    }
}

// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

extension Executor {
    /// How often it is looked whether a busy bundle still says something, and how often in a row it may have been
    /// silent.
    private static var silencePeriod: TimeSpan { .seconds(20) }
    private static var longestSilence: Int { 3 }

    // MARK: Starting

    /// Ends the bundles of engines that are gone.
    func endDeadBundles() async throws {
        let workers = try await store.processes(role: WorkerRow.role).filter { processes.isAlive($0) }.map(\.pid)
        var dead: [Int64] = []
        for row in try await store.processes(role: "bundle") where processes.isOfThisHost(row) {
            // A bundle whose parent is another live worker of this home is not ours to end.
            if processes.isAlive(row), let parent = processes.parent(of: row.pid), workers.contains(parent) { continue }
            if processes.end(row, mark: launcher.mark) {
                logger.notice("ended a bundle of a dead engine", metadata: ["pid": "\(row.pid)"])
            }
            dead.append(row.processID)
        }
        if !dead.isEmpty { try await store.remove(processes: dead) }
    }

    /// Brings the first bundle up and stores what it describes.
    func startMainBundle() async throws -> [DAGDefinition] {
        let description = try await bringUp(.main, describes: true)
        guard let description else { throw PerchError(.unavailable, "the bundle has not described itself") }
        return try await takeUp(description)
    }

    /// Starts a bundle until one has come up; more and more time lies between the attempts. While the executor starts,
    /// the attempts are bounded.
    ///
    /// - Returns: What it describes; nil, too, where nobody wants it any more.
    @discardableResult
    func bringUp(_ place: Place, describes: Bool) async throws -> BundleDescription? {
        bringUps += 1
        defer {
            bringUps -= 1
            if bringUps == 0 {
                for waiting in whenNoneComesUp { waiting.resume() }
                whenNoneComesUp = []
            }
        }
        var failures = 0
        let generation = generation
        await pauseForShortLives(of: place)
        while true {
            try requireAlive()
            // Whoever joined anew has all places taken anew.
            guard generation == self.generation else { return nil }
            guard core.isWanted(place) else {
                core.isReady[place] = nil
                return nil
            }
            guard let launcher = launcher(for: place) else { return nil }
            let words: String
            do {
                return try await startOnce(place, by: launcher, describes: describes)
            } catch let failure as StartFailure {
                words = failure.words
            }
            failures += 1
            try requireAlive()
            if life == .starting, failures >= configuration.startAttempts {
                throw PerchError(
                    .unavailable, "the bundle process did not come up in \(failures) attempts: the last one \(words)")
            }
            logger.error(
                "the bundle process did not come up", metadata: ["reason": "\(words)", "attempts": "\(failures)"])
            if place == .main { note(trouble: "it does not come up: it \(words)", count: failures) }
            await pause(microseconds: Self.pause(after: failures))
        }
    }

    /// Whoever has to do with processes looks at this after each pause: a stop may have come meanwhile.
    private func requireAlive() throws {
        if life == .starting { try requireNotStopped() }
        guard life != .stopped else { throw PerchError(.unavailable, "the executor was stopped") }
    }

    /// What starts a process there; nil where there is none of the version that is wanted, and what waited for it has failed.
    private func launcher(for place: Place) -> (any BundleLauncher)? {
        guard let version = core.version(for: place) else { return launcher }
        if let kept = launcher.keeping(version: version) { return kept }
        // What is no deployed version is there as long as it is in use.
        if version == core.versions[.main] { return launcher }
        lack(place, version, "which is not kept here any more: `bundles versions` shows what is")
        return nil
    }

    private func lack(_ place: Place, _ version: String, _ why: String) {
        core.lack(
            place,
            "its run is pinned to the bundle version \(version.shown()), with which it began, \(why). Clear the task in a new "
                + "run, or deploy that version again", now: now)
    }

    private struct StartFailure: Error { var words: String }

    private func startOnce(
        _ place: Place, by launcher: any BundleLauncher, describes: Bool
    ) async throws -> BundleDescription? {
        bundlesStarted += 1
        let number = bundlesStarted
        let link: any BundleLink
        // Before the start: what comes meanwhile is taken for another one, and not for this one.
        let revision = launcher.revision
        do {
            link = try launcher.launch(loop: reactor.loop, callbacks: callbacks(place, number))
        } catch {
            throw StartFailure(words: "\(error)")
        }
        let bundle = RunningBundle(link, number: number, place: place)
        bundle.revision = revision
        living[number] = bundle
        bundles[place] = bundle
        // Recorded before its first use, so that whoever comes after a crash can end it.
        if let pid = link.pid, let identity = processes.identity(of: pid) {
            do {
                bundle.processID = try await store.register(
                    role: "bundle", identity, lease: TimeSpan(microseconds: configuration.pollPeriod.microseconds * 3))
            } catch {
                // One that nobody could end after a crash does nothing; another one is started in a while.
                bundle.isRetired = true
                bundle.link.terminate()
                throw StartFailure(words: "cannot be recorded: \(error)")
            }
            if bundle.endWords != nil { forget(bundle.processID) }
            do {
                try requireAlive()
            } catch {
                // Whoever stops has ended it, and removes its row.
                bundle.link.terminate()
                throw error
            }
        }
        let timer = reactor.loop.schedule(at: reactor.loop.now + configuration.startTimeout.microseconds) {
            bundle.link.terminate()
        }
        defer { reactor.loop.cancel(timer) }
        guard case .hello(let versions) = await ask(bundle, .hello(protocolVersion: BundleProtocol.version)) else {
            throw StartFailure(words: startWords(bundle))
        }
        guard let version = BundleProtocol.spoken.common(with: versions) else {
            bundle.isRetired = true
            bundle.link.terminate()
            let words = BundleProtocol.mismatch(bundle: versions, engine: BundleProtocol.spoken)
            // Later on it may be replaced by one that fits.
            guard life == .starting else { throw StartFailure(words: words) }
            throw PerchError(.invalid, words)
        }
        bundle.protocolVersion = version
        if let pinned = core.version(for: place), pinned != bundle.bundleVersion {
            bundle.isRetired = true
            bundle.link.terminate()
            lack(place, pinned, "and what is kept of it says that it is \(bundle.bundleVersion.shown())")
            return nil
        }
        var description: BundleDescription?
        if describes {
            guard case .described(let answer) = await ask(bundle, .describe) else {
                throw StartFailure(words: startWords(bundle))
            }
            description = answer
        }
        bundle.isReady = true
        bundle.readyAt = reactor.loop.now
        switch place {
        case .hosting(let group): hosted.ready(group, version: version, now: now)
        case .successor(let index): succeed(.pooled(index), by: bundle)
        default: core.ready(place, version: bundle.bundleVersion, now: now)
        }
        return description
    }

    private func startWords(_ bundle: RunningBundle) -> String {
        let words = bundle.endWords ?? "did not answer in time"
        let last = bundle.link.lastErrors.suffix(5).map(secrets.mask.masked).joined(separator: " | ")
        return last.isEmpty ? words : "\(words): \(last)"
    }

    /// Sends a message and waits for its answer; nil where the bundle ended before.
    func ask(_ bundle: RunningBundle, _ message: EngineMessage) async -> RunningBundle.Greeting? {
        await withCheckedContinuation { continuation in
            // Looked at in here: before this closure the actor may have done something else.
            guard bundle.endWords == nil else { return continuation.resume(returning: nil) }
            do {
                try bundle.link.send(message)
            } catch {
                return continuation.resume(returning: nil)
            }
            bundle.greeting = continuation
            bundle.link.flush()
        }
    }

    func pause(microseconds: Int64) async {
        await withCheckedContinuation { continuation in
            pauseCount += 1
            let number = pauseCount
            pauses[number] = continuation
            _ = reactor.loop.schedule(at: reactor.loop.now + microseconds) { [weak self] in
                guard let self else { return }
                self.assumeIsolated { $0.pauses.removeValue(forKey: number)?.resume() }
            }
        }
    }

    /// Starts the processes of the pool from one on, in the background.
    func launchPool(from first: Int) {
        for index in first..<max(first, core.settings.processes) { launch(.pooled(index)) }
    }

    /// Starts a bundle in the background.
    func launch(_ place: Place) {
        guard life == .running || life == .draining else { return }
        if case .hosting = place {} else { core.unready(place) }
        Task(executorPreference: reactor) { await self.replace(place) }
    }

    private func replace(_ place: Place) async {
        do {
            _ = try await bringUp(place, describes: false)
        } catch {
            logger.error("no bundle process", metadata: ["error": "\(error)"])
        }
        if place == .main { askAgain() }
        if case .hosting = place { pumpHosted() } else { pump() }
    }

    /// Asks a new main process what only it knows: it may have read other files than the one before it.
    func askAgain() {
        if bundles[.main]?.isReady == true { noteWell() }
        if let version = bundles[.main]?.bundleVersion, version != storedVersion { mustDescribe = true }
        askForDescription()
        askForTicks(again: true)
    }

    // MARK: Events

    private func callbacks(_ place: Place, _ number: Int) -> BundleCallbacks {
        BundleCallbacks(
            messages: { [weak self] messages in
                guard let self else { return }
                self.assumeIsolated { $0.received(messages, from: number) }
            },
            printed: { [weak self] lines, isError in
                guard let self else { return }
                self.assumeIsolated { $0.printed(lines, isError: isError, in: place, number) }
            },
            ended: { [weak self] words in
                guard let self else { return }
                self.assumeIsolated { $0.ended(number, words) }
            })
    }

    private func received(_ messages: [BundleMessage], from number: Int) {
        // One that was retired has nothing to say any more.
        guard let place = living[number]?.place, bundles[place]?.number == number else { return }
        let now = now
        let mask = secrets.mask
        for message in mask.hidesNothing ? messages : messages.map({ $0.masked(by: mask) }) {
            switch message {
            case .hello(let newest, let bundleVersion, _, let oldest):
                bundles[place]?.bundleVersion = bundleVersion
                bundles[place]?.greet(.hello(ProtocolVersions(newest: newest, oldest: oldest)))
            case .definition(let text, let isLast):
                bundles[place]?.take(definition: text, isLast: isLast)
            case .source(let source): bundles[place]?.take(source: source)
            case .described(let description): bundles[place]?.greet(description)
            case .ticks(let told): take(told)
            case .lookUp(let question): lookUp(question, for: place, number)
            case .unknown(let type):
                logger.warning("the bundle did not understand a message", metadata: ["type": "\(type)"])
            case .unrecognized(let type):
                logger.warning("the bundle sent a message of an unknown type", metadata: ["type": "\(type)"])
                send(unknown: type, to: place)
            case .trigger(let run, let news):
                if case .hosting(let group) = place { hosted.receive(news, of: run, from: group, now: now) }
            default:
                if case .hosting = place { continue }
                core.receive(message, from: place, now: now)
            }
        }
        if case .hosting = place { pumpHosted() } else { pump() }
        watchSilence(place)
    }

    private func send(unknown type: String, to place: Place) {
        do {
            try bundles[place]?.link.send(.unknown(messageType: type))
        } catch {
            logger.warning("the answer to it is too long", metadata: ["error": "\(error)"])
        }
    }

    private func printed(_ lines: [String], isError: Bool, in place: Place, _ number: Int) {
        let place = living[number]?.place ?? place
        let lines = lines.map(secrets.mask.masked)
        if bundles[place]?.number == number, let attempt = core.speaker(in: place) {
            let level: AttemptLogLevel = isError ? .warning : .info
            core.say(attempt, lines.map { LogLine(at: now, level: level, message: $0) })
            perform()
        } else {
            for line in lines { logger.info("bundle: \(line)", metadata: ["place": "\(place)"]) }
        }
    }

    private func ended(_ number: Int, _ words: String) {
        guard let bundle = living.removeValue(forKey: number) else { return }
        let place = bundle.place
        if bundles[place] === bundle { noteLife(of: bundle, words) }
        bundle.endWords = words
        lookUps[number] = nil
        let isCurrent = bundles[place]?.number == number
        if isCurrent { bundles[place] = nil }
        bundle.greet(nil)
        if bundle.processID != 0 { forget(bundle.processID) }
        for continuation in bundle.whenEnded { continuation.resume() }
        bundle.whenEnded = []
        guard isCurrent, bundle.isReady, !isRejoining, life == .running || life == .draining else { return }
        if !bundle.isRetired {
            logger.error("a bundle process is gone", metadata: ["how": "\(words)", "place": "\(place)"])
        }
        if case .hosting(let group) = place {
            hosted.died(group, words, now: now)
            pumpHosted()
        } else {
            core.died(place, ExecutorCore.Death(words: words), now: now)
            pump()
        }
    }

    /// Lets a bundle go that has nothing more to do; another one may take its place at once.
    func retire(_ place: Place) {
        guard let bundle = bundles.removeValue(forKey: place) else { return }
        bundle.isRetired = true
        bundle.link.terminate()
    }

    func forget(_ processID: Int64) {
        // Whoever has started, or stops, removes all rows at once.
        if life == .starting || life == .stopped { return deadRows.append(processID) }
        let (store, logger) = (store, logger)
        Task(executorPreference: reactor) {
            do {
                try await store.remove(processes: [processID])
            } catch {
                logger.warning("the row of a dead bundle stays until the next start", metadata: ["error": "\(error)"])
            }
        }
    }

    // MARK: Silence

    /// Sees to it that a bundle in which code runs is heard of now and then. Only what was observed counts, so that a
    /// suspended machine does not look like a silent bundle.
    func watchSilence(_ place: Place) {
        guard let bundle = bundles[place], !bundle.isWatched, isRunning(in: place) else { return }
        let number = bundle.number
        bundle.isWatched = true
        bundle.link.wasHeard = false
        _ = reactor.loop.schedule(at: reactor.loop.now + Self.silencePeriod.microseconds) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { executor in
                guard let bundle = executor.bundles[place], bundle.number == number else { return }
                bundle.isWatched = false
                bundle.silentPeriods = bundle.link.wasHeard ? 0 : bundle.silentPeriods + 1
                if bundle.silentPeriods >= Self.longestSilence {
                    executor.logger.error("a bundle process does not answer; it is ended")
                    bundle.link.terminate()
                } else {
                    executor.watchSilence(place)
                }
            }
        }
    }

    private func isRunning(in place: Place) -> Bool {
        if case .hosting(let group) = place { hosted.isAwake(in: group) } else { core.isRunning(in: place) }
    }
}

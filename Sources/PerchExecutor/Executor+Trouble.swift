// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchReactor

/// What becomes of a bundle that does not come up, or ends as soon as it has: it is started again after longer and longer
/// pauses, and the worker's row says why, for whoever asks how the bundle is.
extension Executor {
    /// One that ends so soon after it was ready, with nothing running in it, has not come up.
    private static var shortLife: Int64 { 10_000_000 }
    /// So often it is started again at once.
    private static var freeStarts: Int { 2 }
    /// As much of what was said is kept.
    private static var mostWords: Int { 1_000 }

    /// A process of the pool has ended. Call it before anything else is made of that.
    func noteLife(of bundle: RunningBundle, _ words: String) {
        guard case .pooled = bundle.place, bundle.isReady, !bundle.isRetired else { return }
        let isShort = reactor.loop.now - bundle.readyAt < Self.shortLife && !core.isRunning(in: bundle.place)
        shortLives[bundle.place] = isShort ? (shortLives[bundle.place]?.count ?? 0, words) : nil
        if isShort { shortLives[bundle.place]?.count += 1 }
    }

    /// The pause before a process is started again that keeps ending.
    func pauseForShortLives(of place: Place) async {
        guard let lives = shortLives[place], lives.count > Self.freeStarts else { return }
        logger.error(
            "the bundle process keeps ending soon after it was started",
            metadata: ["how": "\(lives.words)", "times": "\(lives.count)"])
        if place == .main {
            note(trouble: "it keeps ending as soon as it is ready: \(lives.words)", count: lives.count)
        }
        await pause(microseconds: Self.pause(after: lives.count - Self.freeStarts))
    }

    /// Twice as long each time, up to half a minute.
    static func pause(after failures: Int) -> Int64 {
        min(30_000_000, Int64(200_000) << Int64(min(failures - 1, 10)))
    }

    /// The main process works, and its DAGs are stored: that it is well is said once it has lived for a while, where it has
    /// kept ending before.
    func noteWell() {
        guard let bundle = bundles[.main], shortLives[.main] != nil else { return note(trouble: nil, count: 0) }
        let number = bundle.number
        _ = reactor.loop.schedule(at: bundle.readyAt + Self.shortLife) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { executor in
                guard executor.bundles[.main]?.number == number else { return }
                executor.shortLives[.main] = nil
                executor.note(trouble: nil, count: 0)
            }
        }
    }

    /// Has the worker's row say why its bundle does not work, or that it does.
    func note(trouble words: String?, count: Int) {
        guard words != nil || hasTrouble else { return }
        hasTrouble = words != nil
        let (store, logger, worker) = (store, logger, worker)
        let text = words.map { String($0.prefix(Self.mostWords)) }
        Task(executorPreference: reactor) {
            do {
                try await store.noteTrouble(text, count: count, worker: worker)
            } catch {
                logger.warning("how the bundle is cannot be recorded", metadata: ["error": "\(error)"])
            }
        }
    }
}

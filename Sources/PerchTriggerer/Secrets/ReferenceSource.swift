// SPDX-License-Identifier: Apache-2.0

package import PerchReactor
package import PerchSDK

/// Stands before a source whose waits refer to secrets: looks up what a wait refers to, and hands the wait on when all of it
/// is known. Waits without references go through at once.
///
/// What was found counts for a while for other waits, too; a wait that is armed keeps what it was armed with. A place that
/// cannot be asked is asked again; what can never be found breaks the wait, and says so.
///
/// Unchecked, because it is touched on its loop's thread alone.
package final class ReferenceSource: TriggerSource, @unchecked Sendable {
    private struct Pending {
        var wait: ArmedWait
        var missing: Set<SecretName>
        var fault: String?
        /// Who asked for a probe meanwhile.
        var asked: [() -> Void] = []
    }

    /// How long an answer counts for waits that come later, in microseconds.
    private static let keep: Int64 = 60_000_000

    private let source: any TriggerSource
    private let known: KnownSecrets
    private let desk: any SecretDesk
    private let enter: Enter
    private let loop: any EventLoop
    private let report: (SourceReport) -> Void
    private let pause: TimeSpan
    private var pending: [Int64: Pending] = [:]
    /// What is being looked up, and which waits need it.
    private var asking: [SecretName: Set<Int64>] = [:]
    private var isOver = false

    /// Runs something on the loop's thread, from any thread.
    package typealias Enter = @Sendable (@escaping @Sendable () -> Void) -> Void

    /// A place before a source.
    ///
    /// - Parameters:
    ///   - source: Resolves references by `known`.
    ///   - loop: The one that the source is on, too.
    ///   - pause: How long after it could not be asked a place is asked again.
    package init(
        before source: any TriggerSource, known: KnownSecrets, desk: any SecretDesk, loop: any EventLoop,
        enter: @escaping Enter, pause: TimeSpan = .seconds(10), report: @escaping (SourceReport) -> Void
    ) {
        self.pause = pause
        self.source = source
        self.known = known
        self.desk = desk
        self.enter = enter
        self.loop = loop
        self.report = report
    }

    package var kinds: [String] { source.kinds }

    package func add(_ waits: [ArmedWait]) {
        var ready: [ArmedWait] = []
        for wait in waits {
            pending[wait.waitID] = nil
            let names = Set(SecretReference.all(in: wait.definition).map(\.name))
            let missing = names.filter { !known.knows($0, since: loop.now - Self.keep) }
            if missing.isEmpty {
                ready.append(wait)
            } else {
                source.remove(wait.waitID)
                pending[wait.waitID] = Pending(wait: wait, missing: missing)
                for name in missing.sorted() { ask(name, for: wait.waitID) }
            }
        }
        if !ready.isEmpty { source.add(ready) }
    }

    private func ask(_ name: SecretName, for waitID: Int64) {
        let isAsked = asking[name] != nil
        asking[name, default: []].insert(waitID)
        if !isAsked { ask(name) }
    }

    private func ask(_ name: SecretName) {
        let (desk, enter) = (desk, enter)
        Task { [weak self] in
            let answer: Result<FoundSecret?, any Error>
            do {
                answer = .success(try await desk.find(name))
            } catch {
                answer = .failure(error)
            }
            enter { [weak self] in self?.answered(name, answer) }
        }
    }

    private func answered(_ name: SecretName, _ answer: Result<FoundSecret?, any Error>) {
        guard !isOver, let waitIDs = asking.removeValue(forKey: name)?.filter({ pending[$0] != nil }).sorted() else {
            return
        }
        switch answer {
        case .success(let found):
            known.learn(name, found, at: loop.now)
            handOn(waitIDs.filter { learned(name, $0) })
        case .failure(let error):
            let isForNow = (error as? PerchError)?.code == .unavailable
            guard isForNow else {
                for waitID in waitIDs { fail(waitID, "\(error)") }
                return
            }
            for waitID in waitIDs {
                pending[waitID]?.fault = "\(error)"
                // An overdue timeout does not wait for a place that is away.
                for done in pending[waitID]?.asked ?? [] { loop.enqueue(done) }
                pending[waitID]?.asked = []
            }
            guard !waitIDs.isEmpty else { return }
            asking[name] = Set(waitIDs)
            _ = loop.schedule(at: loop.now + pause.microseconds) { [weak self] in
                guard let self, !self.isOver, self.asking[name] != nil else { return }
                self.ask(name)
            }
        }
    }

    /// Whether the wait misses nothing more.
    private func learned(_ name: SecretName, _ waitID: Int64) -> Bool {
        pending[waitID]?.missing.remove(name)
        return pending[waitID]?.missing.isEmpty == true
    }

    private func handOn(_ waitIDs: [Int64]) {
        let ready = waitIDs.compactMap { pending.removeValue(forKey: $0) }
        guard !ready.isEmpty else { return }
        source.add(ready.map(\.wait))
        for entry in ready { for done in entry.asked { source.probeNow(entry.wait.waitID, done: done) } }
    }

    private func fail(_ waitID: Int64, _ words: String) {
        guard let entry = pending.removeValue(forKey: waitID) else { return }
        report(
            .broken(
                waitID: waitID, message: "the wait for \(entry.wait.kind) \(entry.wait.target.shown(200)): \(words)"))
        for done in entry.asked { loop.enqueue(done) }
    }

    package func remove(_ waitID: Int64) {
        guard let entry = pending.removeValue(forKey: waitID) else { return source.remove(waitID) }
        for done in entry.asked { loop.enqueue(done) }
    }

    package func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let entry = pending[waitID] else { return source.explain(waitID) }
        let names = entry.missing.sorted().map(\.description).joined(separator: ", ")
        var sentences = ["Not watched yet: \(names) is being looked up."]
        if let fault = entry.fault { sentences.append("The last look failed: \(fault).") }
        return WaitExplanation(sentences: sentences)
    }

    package func probeNow(_ waitID: Int64, done: @escaping () -> Void) {
        guard pending[waitID] != nil else { return source.probeNow(waitID, done: done) }
        pending[waitID]?.asked.append(done)
    }

    package var gauges: [(name: String, value: Int)] {
        source.gauges + [("\(source.kinds[0])_unresolved", pending.count)]
    }

    package func shutDown() {
        isOver = true
        pending = [:]
        asking = [:]
        known.forget()
        source.shutDown()
    }
}

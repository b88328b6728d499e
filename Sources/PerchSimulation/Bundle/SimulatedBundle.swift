// SPDX-License-Identifier: Apache-2.0

package import PerchBundle
internal import PerchExecutor
internal import PerchReactor
internal import PerchSDK

/// A bundle process in virtual time: the host of production on a lane of its own, and the bytes between it and the
/// engine.
///
/// Each direction keeps its order, is cut into pieces anywhere, and takes its time. When the process dies nothing that
/// it does counts any more; when the engine dies it notices the hang-up a moment later, as in production.
package final class SimulatedBundle: BundleLink, @unchecked Sendable {  // because a simulation runs on one thread
    /// What stands in a message that should never have been believed.
    package static let poison = "poison"

    private static let killed = "died of signal 9 (Killed)"

    package let pid: Int32?
    package private(set) var lastErrors: [String] = []
    package var wasHeard = true
    /// Whether it lives, and whether it gets any time.
    package let life: ProcessLife

    private let setting: SimulatedBundles
    private let engine: ProcessLife
    private let reactor: any Reactor
    private let callbacks: BundleCallbacks
    private let thread: VirtualExecutor
    private var host: DispatchHost?

    private var writer = FrameWriter()
    private var toBundle: [[UInt8]] = []
    private var bundleReader = FrameReader()
    private var fromBundle: [[UInt8]] = []
    private var engineReader = FrameReader()
    private var faultWords: String?
    /// How it ended, once it has.
    private var endWords: String?
    private var hasAliveTimer = false
    private var hasToldEnd = false

    init(
        _ setting: SimulatedBundles, engine: ProcessLife, parent: Int32, reactor: any Reactor,
        callbacks: BundleCallbacks
    ) {
        self.setting = setting
        self.engine = engine
        self.reactor = reactor
        self.callbacks = callbacks
        var end: () -> Void = {}
        let number = setting.machine.add(parent: parent) { end() }
        pid = number
        life = ProcessLife(name: "bundle \(number)")
        thread = VirtualExecutor(world: setting.world, process: life)
        let (world, life) = (setting.world, life)
        host = DispatchHost(
            dags: setting.dags, bundleVersion: setting.bundleVersion, pid: number, clock: setting.clock,
            executor: thread, outbox: Outbox(bundle: self),
            // The dead draw nothing: what the living do must not depend on them.
            generator: { life.isDead ? 4 : UInt64(bitPattern: world.random(in: .min ... .max)) },
            triggers: setting.triggers, outputs: setting.outputs)
        end = { [weak self] in self?.die(Self.killed) }
    }

    /// Whether code of a task runs in it.
    package var isBusy: Bool { !life.isDead && host?.isBusy == true }

    // MARK: the engine's end

    package func send(_ message: EngineMessage) throws(BundleProtocolError) {
        guard !life.isDead else { return }
        try writer.append(message)
    }

    package func flush() {
        guard !life.isDead, !writer.isEmpty else { return }
        for piece in setting.cut(writer.take()) {
            toBundle.append(piece)
            setting.world.after(setting.latency.draw(setting.world), of: life) { [self] in deliverToBundle() }
        }
    }

    package func terminate() {
        die(Self.killed)
    }

    // MARK: the bundle's end

    private struct Outbox: BundleOutbox {
        // The host belongs to the bundle; code that outlives both speaks to nobody.
        weak var bundle: SimulatedBundle?

        func send(_ message: BundleMessage, mayWait: Bool) throws(BundleProtocolError) {
            try bundle?.say(message)
        }
    }

    private func say(_ message: BundleMessage) throws(BundleProtocolError) {
        guard !life.isDead else { return }
        var writer = FrameWriter()
        try writer.append(message)
        for piece in setting.cut(writer.take()) { transmit(piece) }
    }

    /// Brings what was heard once more, later and with other content, whatever has become of the dispatch and of this
    /// bundle by then.
    private func repeatLater(_ message: BundleMessage) {
        guard setting.isDuplicating, let copy = message.poisoned else { return }
        setting.world.after(setting.world.random(in: 0...20_000_000), of: engine) { [self] in
            reactor.submit { self.callbacks.messages([copy]) }
        }
    }

    /// As long as code runs in it, it says now and then that it lives.
    private func setAliveTimer() {
        guard !hasAliveTimer, host?.isBusy == true else { return }
        hasAliveTimer = true
        setting.world.after(Int64(BundleProtocol.alivePeriod) * 1_000_000, of: life) { [self] in
            hasAliveTimer = false
            guard host?.isBusy == true else { return }
            do {
                try say(.alive)
            } catch {
                preconditionFailure("the shortest message is short enough: \(error)")
            }
            setAliveTimer()
        }
    }

    private func transmit(_ piece: [UInt8]) {
        fromBundle.append(piece)
        setting.world.after(setting.latency.draw(setting.world), of: engine) { [self] in
            guard !fromBundle.isEmpty else { return }
            let bytes = fromBundle.removeFirst()
            reactor.submit { self.receive(bytes) }
        }
    }

    private func deliverToBundle() {
        guard !toBundle.isEmpty else { return }
        let bytes = toBundle.removeFirst()
        thread.submit { [self] in
            // What had arrived when it died must not begin anything.
            guard !life.isDead else { return }
            do {
                bytes.withUnsafeBytes { bundleReader.append($0) }
                while let fields = try bundleReader.next() {
                    let message = try EngineMessage(fields)
                    if case .run(let order) = message { setting.onDispatch?(order.facts) }
                    host?.handle(message)
                }
                setAliveTimer()
            } catch {
                die("exited with code 0")
            }
        }
    }

    private func receive(_ bytes: [UInt8]) {
        guard !hasToldEnd, faultWords == nil else { return }
        wasHeard = true
        var messages: [BundleMessage] = []
        do {
            bytes.withUnsafeBytes { engineReader.append($0) }
            while let fields = try engineReader.next() { messages.append(try BundleMessage(fields)) }
        } catch {
            faultWords = "broke the protocol: \(error)"
        }
        if !messages.isEmpty { callbacks.messages(messages) }
        for message in messages { repeatLater(message) }
        if let faultWords { die(faultWords) }
    }

    // MARK: faults

    /// The process dies at once. The engine hears of it after what was on its way before.
    package func die(_ words: String) {
        guard !life.isDead else { return }
        life.die(now: setting.world.now)
        if let pid { setting.machine.remove(pid) }
        thread.leaveWorld()
        // What it was about to write when it died is lost from some byte on.
        if setting.latency.most > 0, !fromBundle.isEmpty, setting.world.chance(oneIn: 2) {
            fromBundle.removeLast(Int(setting.world.random(in: 1...Int64(fromBundle.count))))
        }
        host?.abandon()
        for _ in 0..<10_000 where !thread.runOneAfterDeath() { break }
        host = nil
        setting.remove(self)
        endWords = words
        if engine.isDead {
            engineDied()
        } else {
            setting.waitsToTell(self)
            setting.world.after(setting.latency.draw(setting.world) + 1_000, of: engine) { [self] in
                reactor.submit { self.tellEnd(words) }
            }
        }
    }

    private func tellEnd(_ words: String) {
        guard !hasToldEnd else { return }
        setting.hasTold(self)
        // What it had written before its death is still read.
        let rest = fromBundle
        fromBundle = []
        if !engine.isDead { for bytes in rest { receive(bytes) } }
        hasToldEnd = true
        callbacks.ended(faultWords ?? words)
    }

    /// It says something that is no message.
    package func talkNonsense() {
        guard !life.isDead else { return }
        let nonsense: [[UInt8]] = [
            [0xFF, 0xFF, 0xFF, 0x7F, 0x00, 0xFE, 0x80, 0x01], [0, 0, 0, 4] + Array("oops".utf8),
            [0, 0, 0, 2] + Array("{}".utf8), [0, 0, 0, 15] + Array(#"{"type":"step"}"#.utf8),
        ]
        transmit(nonsense[Int(setting.world.random(in: 0...Int64(nonsense.count - 1)))])
    }

    func isOf(_ engine: ProcessLife) -> Bool { self.engine === engine }

    /// The engine is dead: a bundle that lives notices that a moment later; of one that was dead before, what is left
    /// of the engine hears now.
    func engineDied() {
        if let endWords { return reactor.submit { self.tellEnd(endWords) } }
        setting.world.after(setting.latency.draw(setting.world), of: life) { [self] in die("lost its engine") }
    }
}

extension BundleMessage {
    /// The same message with content that must never be believed; nil for messages that change nothing.
    var poisoned: BundleMessage? {
        let text = JSONValue.string(SimulatedBundle.poison).text
        switch self {
        case .step(let dispatchID, let key, _, let keep, let began):
            return .step(dispatchID: dispatchID, key: key, payload: text, keep: keep, began: began)
        case .deferred(let dispatchID, let key, _, let timeout):
            let trigger = TriggerSpec(
                kind: SimulatedBundle.poison, target: SimulatedBundle.poison, definition: .object([:]))
            return .deferred(dispatchID: dispatchID, key: key, trigger: trigger, timeout: timeout)
        case .result(let dispatchID, _):
            return .result(dispatchID: dispatchID, .success(output: text, items: nil))
        default:
            return nil
        }
    }
}

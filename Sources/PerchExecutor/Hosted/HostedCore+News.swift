// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

extension HostedCore {
    // MARK: what triggers say

    mutating func receive(_ news: TriggerNews, of run: TriggerRun, from group: Int, now: Timestamp) {
        guard let trigger = hosted[run.waitID], trigger.group == group, trigger.run == run.run else {
            // It speaks of a run that is over. The last word needs no answer.
            switch news {
            case .sleep, .checkpoint: actions.append(.send(.hosting(group: group), .endTrigger(run)))
            case .event, .failed, .held, .log: break
            }
            return
        }
        switch news {
        case .sleep(let number, let until):
            trigger.sleeps.insert(number)
            timers.insert(
                deadline: until.microseconds,
                id: HostedTimer(kind: .sleep, subject: run.waitID, number: number, run: run.run))
        case .checkpoint(let number, let text):
            do {
                let value = try JSONValue(parsingEnvelope: text)
                turn.checkpoints.append(.init(waitID: run.waitID, run: run.run, number: number, value: value))
            } catch {
                fire(trigger, .broken("its checkpoint is no JSON: \(error)"), now)
            }
        case .event(let text):
            do {
                fire(trigger, .event(try JSONValue(parsingEnvelope: text)), now)
            } catch {
                fire(trigger, .broken("its event is no JSON: \(error)"), now)
            }
        case .failed(.threw, let message): threw(trigger, message, now)
        case .failed(.unknown, let message): missing(trigger, message, now)
        case .failed(.broken, let message): fire(trigger, .broken(message), now)
        case .held(let span): held(trigger, span, now)
        case .log(let lines): say(trigger, lines)
        }
    }

    private mutating func threw(_ trigger: HostedTrigger, _ message: String, _ now: Timestamp) {
        if isForgiven(trigger, now) { trigger.failures = 0 }
        trigger.failures += 1
        guard trigger.failures < settings.mostFailures else {
            return fire(
                trigger,
                .broken("the trigger '\(trigger.name)' failed \(trigger.failures) times; the last time: \(message)"),
                now)
        }
        pause(trigger, exponent: trigger.failures - 1, "it failed: \(message)", now)
    }

    /// What it did before it went well for so long does not count any more.
    private func isForgiven(_ trigger: HostedTrigger, _ now: Timestamp) -> Bool {
        if case .running(_, let since) = trigger.phase { now - since >= settings.forgivenAfter } else { false }
    }

    /// A deployment may bring its code; until then its deadline bounds it.
    mutating func missing(_ trigger: HostedTrigger, _ message: String, _ now: Timestamp) {
        trigger.misses += 1
        pause(trigger, exponent: trigger.misses - 1, message, now)
    }

    /// It runs again after a while.
    private mutating func pause(
        _ trigger: HostedTrigger, exponent: Int, _ message: String, _ now: Timestamp
    ) {
        let span = min(
            settings.longestPause, TimeSpan(microseconds: settings.pause.microseconds << Int64(min(exponent, 10))))
        leave(trigger, now: now)
        trigger.phase = .pausing
        let retryAt = now + span
        note(trigger, "\(message); it runs again in \(span)", .warning, now)
        turn.notes.append(
            HostedNote(
                waitID: trigger.wait.waitID, failures: trigger.failures, offences: trigger.offences, retryAt: retryAt,
                words: message))
        timers.insert(
            deadline: retryAt.microseconds, id: HostedTimer(kind: .pause, subject: trigger.wait.waitID))
    }

    // MARK: offences

    /// Its process goes, for nothing else ends a Swift task that does not want to; the others in it begin anew in a
    /// fresh one.
    private mutating func held(_ trigger: HostedTrigger, _ span: TimeSpan, _ now: Timestamp) {
        guard let group = trigger.group else { return }
        let place = Place.hosting(group: group)
        let others = sorted((groups[group]?.members ?? []).filter { $0 != trigger.wait.waitID })
        let wasSuspect = groups[group]?.isSuspect == true
        forget(group)
        actions.append(.kill(place))
        let message = "it held its thread for \(span) without a suspension; the budget is \(settings.budget)"
        actions.append(.report(trigger, "a trigger held its thread: its process is replaced"))
        trigger.group = nil
        offend(trigger, message, now)
        regroup(others, into: 1, isSuspect: wasSuspect, now: now)
        admit(now: now)
    }

    private mutating func offend(_ trigger: HostedTrigger, _ message: String, _ now: Timestamp) {
        forgetSleeps(trigger)
        if isForgiven(trigger, now) { trigger.offences = 0 }
        trigger.offences += 1
        guard trigger.offences < settings.mostOffences else {
            return fire(
                trigger,
                .broken("the trigger '\(trigger.name)' is stopped after \(trigger.offences) times: \(message)"),
                now)
        }
        pause(trigger, exponent: trigger.offences - 1, message, now)
    }

    /// Runs triggers again that have lost their process.
    private mutating func regroup(
        _ triggers: [HostedTrigger], into parts: Int, isSuspect: Bool, now: Timestamp
    ) {
        for trigger in triggers {
            forgetSleeps(trigger)
            trigger.group = nil
        }
        guard isSuspect else {
            for trigger in triggers { begin(trigger, now: now) }
            return
        }
        let size = max(1, (triggers.count + parts - 1) / max(1, parts))
        for start in stride(from: 0, to: triggers.count, by: size) {
            let group = newGroup(isSuspect: true)
            for trigger in triggers[start..<min(start + size, triggers.count)] { join(trigger, group, now: now) }
        }
    }

    /// Lets offenders begin that stood in the line.
    mutating func admit(now: Timestamp) {
        while let waitID = line.first, groups.values.count(where: \.isSuspect) < settings.parts {
            line.removeFirst()
            if let trigger = hosted[waitID] { begin(trigger, now: now) }
        }
    }

    // MARK: processes

    /// A process is there and has said hello, in a version of the protocol.
    mutating func ready(_ group: Int, version: Int, now: Timestamp) {
        guard let found = groups[group], !found.members.isEmpty else {
            forget(group)
            return actions.append(.retire(.hosting(group: group)))
        }
        guard version >= BundleProtocol.hostingVersion else {
            forget(group)
            actions.append(.retire(.hosting(group: group)))
            for trigger in sorted(found.members) {
                trigger.group = nil
                missing(trigger, "the bundle speaks version \(version) of the protocol, which hosts no triggers", now)
            }
            return
        }
        groups[group]?.isReady = true
        if found.isSuspect {
            timers.insert(
                deadline: (now + settings.suspicion).microseconds,
                id: HostedTimer(kind: .suspicion, subject: Int64(group)))
        }
        for trigger in sorted(found.members) { start(trigger, now: now) }
    }

    /// A process has ended: the fault of the only trigger in it, or of nobody knows which.
    mutating func died(_ group: Int, _ words: String, now: Timestamp) {
        guard let found = groups[group] else { return }
        forget(group)
        let members = sorted(found.members)
        if members.count == 1, let only = members.first {
            only.group = nil
            actions.append(.report(only, "a trigger ended its process"))
            offend(only, "its process \(words)", now)
        } else {
            for trigger in members {
                note(
                    trigger, "its process \(words) while \(members.count) triggers ran in it: they are parted",
                    .warning,
                    now)
            }
            regroup(members, into: settings.parts, isSuspect: true, now: now)
        }
        admit(now: now)
    }

    // MARK: time

    mutating func passTime(now: Timestamp) {
        while let (_, timer) = timers.popDue(now.microseconds) {
            switch timer.kind {
            case .pause:
                if let trigger = hosted[timer.subject] { begin(trigger, now: now) }
            case .sleep:
                guard let trigger = hosted[timer.subject], trigger.run == timer.run,
                    trigger.sleeps.remove(timer.number) != nil
                else { continue }
                answer(trigger) { .triggerWoken($0, number: timer.number) }
            case .suspicion: acquit(Int(timer.subject), now: now)
            case .idle:
                if let group = groups[Int(timer.subject)], group.members.isEmpty, group.isReady {
                    close(Int(timer.subject), now: now)
                }
            }
        }
    }

    /// Nothing happened for a while: they join the others, or are them from now on.
    private mutating func acquit(_ group: Int, now: Timestamp) {
        guard let found = groups[group], found.isSuspect else { return }
        guard let main else {
            groups[group]?.isSuspect = false
            main = group
            return admit(now: now)
        }
        for trigger in sorted(found.members) {
            answer(trigger) { .endTrigger($0) }
            forgetSleeps(trigger)
            join(trigger, main, now: now)
        }
        close(group, now: now)
    }
}

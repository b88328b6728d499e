// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// Threads for the code of tasks: as many as there are processors, and another one whenever all of them have been busy
/// with the same jobs for a while. So a task that blocks its thread, or never returns, takes nothing from the others.
///
/// Nothing runs and nothing wakes up while there is no job.
final class ElasticExecutor: TaskExecutor {
    /// How long all threads have to be stuck before another one is started.
    private static let patience: Int = 10_000_000
    /// How long an extra thread waits for a job before it ends, in seconds.
    private static let idleSeconds = 5
    private static let most = 256

    private let core: Core

    init(threads: Int = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))) { core = Core(base: threads) }

    func enqueue(_ job: consuming ExecutorJob) {
        core.add(UnownedJob(job), executor: asUnownedTaskExecutor(), meter: nil)
    }

    /// Runs a job of a trigger, whose slices are watched.
    func add(_ job: UnownedJob, of trigger: TriggerExecutor) {
        core.add(job, executor: trigger.asUnownedTaskExecutor(), meter: trigger)
    }

    /// Ends the threads once the jobs at hand are done. For tests; a bundle process just ends.
    func shutDown() { core.shutDown() }

    // The state is only touched under the mutex; the mutex and the conditions never move.
    private final class Core: @unchecked Sendable {
        private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
        private let wanted = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private let trouble = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        /// The meter is held as long as its job runs: it is the job's executor.
        private var queue: [(job: UnownedJob, executor: UnownedTaskExecutor, meter: TriggerExecutor?)] = []
        private var head = 0
        private let base: Int
        private var threads = 0
        /// Threads that sleep and have not been called.
        private var idle = 0
        /// Threads that have been called and have not heard it yet.
        private var called = 0
        private var taken: UInt64 = 0
        private var hasMonitor = false
        private var isOver = false

        init(base: Int) {
            self.base = base
            pthread_mutex_init(mutex, nil)
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            pthread_cond_init(wanted, &attributes)
            pthread_cond_init(trouble, &attributes)
        }

        func add(_ job: UnownedJob, executor: UnownedTaskExecutor, meter: TriggerExecutor?) {
            pthread_mutex_lock(mutex)
            queue.append((job, executor, meter))
            let isAwaited = idle > 0
            if isAwaited {
                idle -= 1
                called += 1
            } else if threads < base {
                startThread()
            } else {
                if !hasMonitor {
                    hasMonitor = true
                    spawn { $0.monitor() }
                }
                pthread_cond_signal(trouble)
            }
            pthread_mutex_unlock(mutex)
            // Only now: who is woken needs the mutex at once.
            if isAwaited { pthread_cond_signal(wanted) }
        }

        func shutDown() {
            pthread_mutex_lock(mutex)
            isOver = true
            pthread_cond_broadcast(wanted)
            pthread_cond_broadcast(trouble)
            pthread_mutex_unlock(mutex)
        }

        private func startThread() {
            threads += 1
            spawn { $0.work() }
        }

        private func spawn(_ body: @escaping @Sendable (Core) -> Void) {
            let box = Unmanaged.passRetained(Start(core: self, body: body))
            var attributes = pthread_attr_t()
            pthread_attr_init(&attributes)
            pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, &attributes,
                { argument in
                    guard let argument else { return nil }
                    let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                    start.body(start.core)
                    return nil
                }, box.toOpaque())
            pthread_attr_destroy(&attributes)
            if failure != 0 {
                box.release()
                threads -= 1
            }
        }

        private final class Start {
            let core: Core
            let body: @Sendable (Core) -> Void
            init(core: Core, body: @escaping @Sendable (Core) -> Void) {
                self.core = core
                self.body = body
            }
        }

        private func work() {
            pthread_mutex_lock(mutex)
            while true {
                if head < queue.count {
                    let next = queue[head]
                    head += 1
                    if head == queue.count {
                        queue.removeAll(keepingCapacity: head < 1024)
                        head = 0
                    }
                    taken &+= 1
                    pthread_mutex_unlock(mutex)
                    let slice = next.meter?.begin()
                    next.job.runSynchronously(on: next.executor)
                    if let slice { next.meter?.end(slice) }
                    pthread_mutex_lock(mutex)
                    continue
                }
                if isOver { break }
                idle += 1
                var isLate = false
                if threads > base {
                    var limit = Self.now(plus: ElasticExecutor.idleSeconds * 1_000_000_000)
                    isLate = pthread_cond_timedwait(wanted, mutex, &limit) == ETIMEDOUT
                } else {
                    pthread_cond_wait(wanted, mutex)
                }
                if called > 0 { called -= 1 } else { idle -= 1 }
                if isLate, head == queue.count, threads > base { break }
            }
            threads -= 1
            pthread_mutex_unlock(mutex)
        }

        /// Sleeps while there is nothing to fear; else looks whether any job was taken in a while.
        private func monitor() {
            pthread_mutex_lock(mutex)
            while !isOver {
                guard head < queue.count, idle == 0 else {
                    pthread_cond_wait(trouble, mutex)
                    continue
                }
                let before = taken
                var limit = Self.now(plus: ElasticExecutor.patience)
                while !isOver, pthread_cond_timedwait(trouble, mutex, &limit) != ETIMEDOUT {}
                if taken == before, head < queue.count, threads < ElasticExecutor.most { startThread() }
            }
            pthread_mutex_unlock(mutex)
        }

        private static func now(plus nanoseconds: Int) -> timespec {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let sum = time.tv_nsec + nanoseconds
            return timespec(tv_sec: time.tv_sec + sum / 1_000_000_000, tv_nsec: sum % 1_000_000_000)
        }
    }
}

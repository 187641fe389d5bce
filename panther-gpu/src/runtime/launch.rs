//! How kernels are launched.

use cudarc::driver::LaunchConfig;

/// Blocks of a launch, with a thread or so for each of `count` things: kernels walk on in steps of the whole grid.
pub(crate) fn grid_over(count: usize, threads: u32) -> LaunchConfig {
    const MOST_BLOCKS: usize = 1 << 16;
    let blocks = count.div_ceil(threads as usize).clamp(1, MOST_BLOCKS);
    LaunchConfig { grid_dim: (blocks as u32, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// One block of `threads` threads for each of `count` things.
pub(crate) fn block_each(count: usize, threads: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (count as u32, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}

/// Launches a kernel for numbers of type `$t` with the given arguments, which must be those of its source: numbers, and
/// pointers as [`Pointer`](crate::runtime::pool::Pointer) gives them. With `cooperative: true` all blocks run at once, or the driver refuses.
macro_rules! launch {
    ($device:expr, $t:ty, $kernel:expr, $config:expr, cooperative: $cooperative:expr, $($argument:expr),* $(,)?) => {{
        let kernel: $crate::runtime::kernel::Kernel = $kernel;
        let function = $device.function::<$t>(kernel)?;
        let mut builder = $device.stream().launch_builder(&function);
        $(
            let argument = $argument;
            cudarc::driver::PushKernelArg::arg(&mut builder, &argument);
        )*
        // SAFETY: the arguments are those of the kernel, which keeps to the extents among them.
        let launched = unsafe {
            if $cooperative { builder.launch_cooperative($config) } else { builder.launch($config) }
        };
        $crate::error::Named::named(launched, kernel.name).map(|_| ())
    }};
    ($device:expr, $t:ty, $kernel:expr, $config:expr, $($argument:expr),* $(,)?) => {
        $crate::runtime::launch::launch!($device, $t, $kernel, $config, cooperative: false, $($argument),*)
    };
}
pub(crate) use launch;

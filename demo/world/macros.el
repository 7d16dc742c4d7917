# EL-like rpm macros for a seed whose rpm comes from another distribution; what redhat-rpm-config does on EL.
%_dbpath /var/lib/rpm
%_vendor redhat
%_host_vendor redhat
%_target_platform %{_target_cpu}-%{_vendor}-%{_target_os}
%_build_vendor redhat
%_lib lib64
%_libdir %{_prefix}/lib64
%_sharedstatedir /var/lib
%_localstatedir /var
%_pkgdocdir %{_docdir}/%{name}
%__nm /usr/bin/nm
%__ranlib /usr/bin/ranlib
%__objcopy /usr/bin/objcopy
%__objdump /usr/bin/objdump
%__ar /usr/bin/ar

%__global_compiler_flags -O2 -g -pipe -Wall -Werror=format-security -Wp,-D_FORTIFY_SOURCE=2 -Wp,-D_GLIBCXX_ASSERTIONS -fexceptions -fstack-protector-strong -m64 -fasynchronous-unwind-tables -fstack-clash-protection -fcf-protection

%_hardening_ldflags -Wl,-z,now
%build_cflags %{optflags}
%build_cxxflags %{optflags}
%build_ldflags -Wl,-z,relro -Wl,--as-needed %{_hardening_ldflags}
%__global_ldflags %{build_ldflags}
%set_build_flags CFLAGS="${CFLAGS:-%{build_cflags}}" ; export CFLAGS ; CXXFLAGS="${CXXFLAGS:-%{build_cxxflags}}" ; export CXXFLAGS ; LDFLAGS="${LDFLAGS:-%{build_ldflags}}" ; export LDFLAGS ; CC="${CC:-gcc}" ; export CC ; PKG_CONFIG_PATH="%{_libdir}/pkgconfig:%{_datadir}/pkgconfig" ; export PKG_CONFIG_PATH

%configure %{set_build_flags} ; ./configure --build=%{_target_platform} --host=%{_target_platform} --program-prefix=%{?_program_prefix} --disable-dependency-tracking --prefix=%{_prefix} --exec-prefix=%{_exec_prefix} --bindir=%{_bindir} --sbindir=%{_sbindir} --sysconfdir=%{_sysconfdir} --datadir=%{_datadir} --includedir=%{_includedir} --libdir=%{_libdir} --libexecdir=%{_libexecdir} --localstatedir=%{_localstatedir} --sharedstatedir=%{_sharedstatedir} --mandir=%{_mandir} --infodir=%{_infodir}

%_enable_debug_packages 1
%__find_debuginfo /usr/lib/rpm/redhat/find-debuginfo
%_debugsource_packages 1
%_unique_build_ids 1
%_unique_debug_names 1
%_unique_debug_srcs 1
%_missing_build_ids_terminate_build 1
%_build_id_links alldebug
%install %{?_enable_debug_packages:%{?buildsubdir:%{debug_package}}}\
%%install\
%{nil}
%__os_install_post %{_rpmconfigdir}/brp-compress\
%{!?__debug_package:%{_rpmconfigdir}/brp-strip %{__strip}\
%{_rpmconfigdir}/brp-strip-comment-note %{__strip} %{__objdump}\
}%{_rpmconfigdir}/brp-strip-static-archive %{__strip}\
%{_rpmconfigdir}/brp-remove-la-files\
%{nil}

%source_date_epoch_from_changelog 1
%clamp_mtime_to_source_date_epoch 1
%_binary_payload w3.zstdio
%_source_payload w3.zstdio
%ldconfig /sbin/ldconfig
%ldconfig_scriptlets() %{nil}

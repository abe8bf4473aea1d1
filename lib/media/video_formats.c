/*
 * The containers that are read: those of FFmpeg's demuxers that carry pictures and hold all of them themselves. Not among them:
 * what names other files or hosts (concat, hls, dash, imf, image2, vobsub, sdp, rtsp, sap ..), what is drawn by a library that
 * opens files (svg_pipe), raw data that nothing tells from noise, devices, sound.
 */
#include <libavutil/avstring.h>

#include "media/video_struct.h"

/* clang-format off */
const char formats_read[] =
    "4xm,alias_pix,anm,apng,asf,asf_o,avi,avs,avs2,avs3,bethsoftvid,bfi,bink,bmp_pipe,bmv,brender_pix,c93,cavsvideo,"
    "cdg,cdxl,cine,cri_pipe,dds_pipe,dfa,dhav,dirac,dnxhd,dpx_pipe,dsicin,dv,dxa,ea,exr_pipe,film_cpk,filmstrip,fits,"
    "flic,flv,frm,gdv,gem_pipe,gif,gif_pipe,gxf,h261,h263,h264,hevc,hnm,ico,idcin,idf,iff,ifv,image2pipe,ingenient,"
    "ipmovie,ipu,iv8,ivf,ivr,j2k_pipe,jpeg_pipe,jpegls_pipe,jpegxl_pipe,jv,kux,live_flv,lmlm4,lvf,lxf,m4v,matroska,mgsts,"
    "mjpeg,mjpeg_2000,mlv,mm,mods,moflex,mov,mpeg,mpegts,mpegvideo,mpjpeg,msnwctcp,mtv,mv,mvi,mxf,mxg,nc,nsv,nut,nuv,obu,"
    "ogg,paf,pam_pipe,pbm_pipe,pcx_pipe,pfm_pipe,pgm_pipe,pgmyuv_pipe,pgx_pipe,phm_pipe,photocd_pipe,pictor_pipe,pmp,"
    "png_pipe,ppm_pipe,psd_pipe,psxstr,pva,qdraw_pipe,qoi_pipe,r3d,rl2,rm,roq,rpl,sdr2,ser,sga,sgi_pipe,simbiosis_imx,"
    "smjpeg,smk,smush,sunrast_pipe,swf,thp,tiertexseq,tiff_pipe,tmv,tty,txd,ty,vbn_pipe,vc1,vc1test,vividas,vivo,vmd,"
    "wc3movie,webp_pipe,wsvqa,wtv,xbin,xbm_pipe,xmv,xpm_pipe,xwd_pipe,yop,yuv4mpegpipe";
/* clang-format on */

bool format_is_read(const AVInputFormat *format)
{
    return av_match_list(format->name, formats_read, ',') > 0;
}
